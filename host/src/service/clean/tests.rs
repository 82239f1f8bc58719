use std::fs;

use super::*;
use crate::config::{note_project, noted_projects};
use crate::store::sqlite::SqliteStore;

/// A user with a data folder, a project and a configuration file.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["work/project/deep", "config", "home"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        for folder in ["data/kitaru-host", "work/project/.kitaru"] {
            drop(SqliteStore::open(&machine.at(folder)).unwrap());
        }
        fs::write(machine.at("work/project/.kitaru/.gitignore"), "*\n").unwrap();
        fs::write(machine.at("data/kitaru-host/secrets.key"), "k").unwrap();
        note_project(&machine.at("data/kitaru-host"), &machine.at("work/project/.kitaru")).unwrap();
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(path)
    }

    fn places(&self) -> Places {
        Places {
            current: self.at("work/project/deep"),
            user_home: Some(self.at("home")),
            project: Some(self.at("work/project/.kitaru")),
            global: Some(self.at("data/kitaru-host")),
            platform: Some(self.at("data/kitaru-host")),
            user_file: Some(self.at("config/config.toml")),
        }
    }

    fn plan(&self, scope: CleanScope, force: bool) -> Result<Plan, String> {
        Plan::make(scope, &self.places(), force).map_err(|error| error.to_string())
    }
}

#[test]
fn a_project_goes_with_a_copy_and_its_note() {
    let machine = Machine::new();
    let plan = machine.plan(CleanScope::Project, false).unwrap();
    let [entry] = plan.preview() else { panic!("{:?}", plan.preview()) };
    assert_eq!((entry.node.path.as_path(), entry.node.r#type), (machine.at("work/project/.kitaru").as_path(), "directory"));
    assert!(entry.children.iter().any(|child| child.path.ends_with("kitaru.db") && child.size_bytes > 0));
    assert_eq!(plan.total_bytes(), entry.children.iter().map(|child| child.size_bytes).sum::<u64>());
    let cleaned = plan.carry_out().unwrap();
    assert_eq!((cleaned.deleted.as_slice(), cleaned.warnings.len()), (&[machine.at("work/project/.kitaru")][..], 0));
    assert!(!machine.at("work/project/.kitaru").exists() && machine.at("data/kitaru-host/kitaru.db").exists());
    assert_eq!(fs::read_dir(machine.at("work/project")).unwrap().count(), 1, "no rest of it is left");
    let backup = cleaned.backup.unwrap();
    assert!(backup.starts_with(machine.at("data/kitaru-host-backups")));
    drop(SqliteStore::open(&backup.join("project")).unwrap());
    assert_eq!(noted_projects(&machine.at("data/kitaru-host")), [] as [PathBuf; 0], "what comes there next is not ours");
    let view = machine.plan(CleanScope::Global, false).unwrap().view(true, None, Vec::new());
    assert!(view.dry_run && !view.aborted && view.deleted_paths.is_empty() && view.total_bytes > 0);
}

#[test]
fn a_users_folder_goes_and_projects_stay_known() {
    let machine = Machine::new();
    fs::write(machine.at("config/config.toml"), "[host]\nflows = 3\n").unwrap();
    let cleaned = machine.plan(CleanScope::Global, false).unwrap().carry_out().unwrap();
    assert_eq!(cleaned.deleted, [machine.at("data/kitaru-host"), machine.at("config/config.toml")]);
    let backup = cleaned.backup.unwrap();
    assert_eq!(fs::read_to_string(backup.join("global/secrets.key")).unwrap(), "k");
    assert!(backup.join("config.toml").exists() && backup.join("global/kitaru.db").exists());
    assert_eq!(noted_projects(&machine.at("data/kitaru-host")), [machine.at("work/project/.kitaru")]);
    assert!(cleaned.warnings.concat().contains("1 project"), "{:?}", cleaned.warnings);
    assert_eq!(fs::read_dir(machine.at("data/kitaru-host")).unwrap().count(), 1);
    // What is left is no data folder.
    assert!(machine.plan(CleanScope::Global, false).unwrap_err().contains("nothing to delete"));
    let all = machine.plan(CleanScope::All, false).unwrap().carry_out().unwrap();
    assert_eq!(all.deleted, [machine.at("work/project/.kitaru")]);
}

#[test]
fn what_is_in_use_stays_with_all_others() {
    let machine = Machine::new();
    let store = SqliteStore::open(&machine.at("data/kitaru-host")).unwrap();
    let error = machine.plan(CleanScope::All, true).unwrap().carry_out().unwrap_err();
    assert!(matches!(&error, CleanError::Store(StoreError::Conflict { .. })) && error.hint().is_some(), "{error}");
    assert!(machine.at("work/project/.kitaru/kitaru.db").exists() && machine.at("data/kitaru-host/kitaru.db").exists());
    assert!(!machine.at("data/kitaru-host-backups").exists(), "and nothing was copied");
    drop(store);
    assert_eq!(machine.plan(CleanScope::All, false).unwrap().carry_out().unwrap().deleted.len(), 2);
}

#[test]
fn what_must_not_go_is_refused() {
    let machine = Machine::new();
    let refused = |change: &dyn Fn(&mut Places)| {
        let mut places = machine.places();
        change(&mut places);
        Plan::make(CleanScope::Global, &places, true).map(|_| ()).map_err(|error| error.to_string()).unwrap_err()
    };
    assert!(refused(&|places| places.global = Some("/".into())).contains("root of the file system"));
    assert!(refused(&|places| places.global = Some(machine.at("home"))).contains("your home"));
    assert!(refused(&|places| places.global = Some(machine.at("work"))).contains("working directory"));
    assert!(refused(&|places| places.current = machine.at("data/kitaru-host")).contains("working directory"));
    assert!(refused(&|places| places.global = Some(machine.at("config"))).contains("no store of this program"));
    assert!(refused(&|places| places.global = Some(machine.at("nowhere"))).contains("nothing to delete"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(machine.at("data/kitaru-host"), machine.at("link")).unwrap();
        assert!(refused(&|places| places.global = Some(machine.at("link"))).contains("a link"));
    }
    fs::write(machine.at("data/kitaru-host/thesis.txt"), "years").unwrap();
    assert!(refused(&|_| {}).contains("thesis.txt"));
    let mut places = machine.places();
    places.project = None;
    assert!(matches!(Plan::make(CleanScope::Project, &places, true), Err(CleanError::NoProject)));
}

#[test]
fn aliases_and_what_cannot_be_read_need_force() {
    let machine = Machine::new();
    let aliases = machine.at("data/kitaru-host/models.toml");
    for (text, what) in [("[aliases.fast]\nmodel = \"openai/a\"\n", "model aliases"), ("[", "cannot be read")] {
        fs::write(&aliases, text).unwrap();
        let error = machine.plan(CleanScope::Global, false).unwrap_err();
        assert!(error.contains(what) && error.contains("--force"), "{error}");
        assert!(machine.plan(CleanScope::Project, false).is_ok() && machine.plan(CleanScope::Global, true).is_ok());
    }
    fs::remove_file(&aliases).unwrap();
    fs::write(machine.at("config/config.toml"), "[hst]\n").unwrap();
    assert!(machine.plan(CleanScope::All, false).unwrap_err().contains("config.toml"));
}

#[test]
fn a_damaged_database_stays_unless_it_is_forced_and_then_its_file_is_kept() {
    let machine = Machine::new();
    let database = machine.at("data/kitaru-host/kitaru.db");
    let mut bytes = fs::read(&database).unwrap();
    let damaged: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at < 100 { *byte } else { 0x5a }).collect();
    bytes.clone_from(&damaged);
    fs::write(&database, &bytes).unwrap();
    assert!(machine.plan(CleanScope::Global, false).unwrap().carry_out().is_err());
    assert!(database.exists() && !machine.at("data/kitaru-host-backups").read_dir().is_ok_and(|mut it| it.next().is_some()));
    let backup = machine.plan(CleanScope::Global, true).unwrap().carry_out().unwrap().backup.unwrap();
    // But for its first bytes, in which SQLite notes how it is written.
    assert_eq!(fs::read(backup.join("global/kitaru.db")).unwrap()[100..], damaged[100..]);
}
