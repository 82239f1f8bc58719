//! `clean`: what goes, what is kept of it, and what is refused.

use std::path::{Path, PathBuf};

use kitaru_tests::{Host, Reply, id};
use serde_json::{Value, json};

/// A project with a data folder of its own, which an execution is in.
struct Project<'h> {
    host: &'h Host,
}

impl<'h> Project<'h> {
    fn new(host: &'h Host) -> Self {
        let project = Self { host };
        let _ = project.run(&["init"]).item();
        project
    }

    /// A command in the project, whose data folder counts.
    fn run(&self, arguments: &[&str]) -> Reply {
        let mut command = self.host.json_command(arguments);
        command.env_remove("KITARU_HOME");
        Reply::from(command)
    }

    fn folder(&self) -> PathBuf {
        self.host.work().join(".kitaru")
    }
}

fn paths(item: &Value, key: &str) -> Vec<String> {
    item[key].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

fn executions_in(folder: &Path) -> u32 {
    let database = rusqlite::Connection::open(folder.join("kitaru.db")).unwrap();
    database.query_row("SELECT count(*) FROM executions", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_data_folder_goes_after_a_copy_of_its_database() {
    let host = Host::new();
    let run = host.flow("echo_value", &json!({ "value": 1 }), &[]);
    let previewed = host.item(["clean", "global", "--dry-run"]);
    assert_eq!(
        (&previewed["scope"], &previewed["dry_run"], &previewed["aborted"]),
        (&json!("global"), &json!(true), &json!(false))
    );
    assert!(previewed["total_bytes"].as_u64().unwrap() > 0 && previewed["deleted_paths"] == json!([]), "{previewed:#}");
    let children = previewed["preview"][0]["children"].as_array().unwrap();
    assert!(children.iter().any(|child| child["path"].as_str().unwrap().ends_with("kitaru.db")), "{previewed:#}");
    assert_eq!(host.get(id(&run))["status"], "completed", "nothing was touched");

    let cleaned = host.item(["clean", "global", "--yes"]);
    let home = host.home().canonicalize().unwrap_or_else(|_| host.home());
    assert_eq!(paths(&cleaned, "deleted_paths").len(), 1, "{cleaned:#}");
    assert!(!home.exists() && cleaned["aborted"] == json!(false), "{cleaned:#}");
    let backup = PathBuf::from(cleaned["backup_path"].as_str().unwrap());
    assert_eq!(executions_in(&backup.join("global")), 1);
    assert!(cleaned["active_environment_overrides"].as_array().unwrap().iter().any(|it| it["name"] == "KITARU_HOME"));
    let parent = home.parent().unwrap();
    let left: Vec<String> = std::fs::read_dir(parent)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("deleted"))
        .collect();
    assert_eq!(left, [] as [&str; 0]);
    host.json(["clean", "global", "--yes"]).refused("KitaruUsageError", &["nothing to delete"]);
    // What is made anew is a data folder like any other.
    assert_eq!(host.json(["executions", "list"]).items(), [] as [Value; 0]);
}

#[test]
fn a_project_goes_and_the_rest_stays() {
    let host = Host::new();
    host.json(["clean", "project", "--yes"]).refused("KitaruUsageError", &["No Kitaru project found", "init"]);
    let project = Project::new(&host);
    let source = host.file("keep.txt", "mine");
    let _ = host.flow("no_calls", &json!({}), &[]);
    let cleaned = project.run(&["clean", "project", "--yes"]).item();
    assert!(!project.folder().exists() && Path::new(&source).exists(), "{cleaned:#}");
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "the user's data folder stays");
    // A folder that comes there from elsewhere is not taken for the one that went.
    std::fs::create_dir(project.folder()).unwrap();
    let status = project.run(&["status"]).item();
    assert_eq!(status["uses_repo_local_config"], false, "{status:#}");
}

#[test]
fn nobody_is_asked_where_nobody_can_answer() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let refused = host.json(["clean", "global"]);
    refused.refused("KitaruUsageError", &["Non-interactive environment requires --yes to proceed."]);
    assert!(host.database().exists());
}

#[test]
fn a_folder_that_a_process_has_open_stays() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let server = host.serving();
    let refused = host.json(["clean", "global", "--yes", "--force"]);
    refused.refused("KitaruStateError", &["nothing was deleted", "in use", "process"]);
    assert!(host.database().exists() && !host.home().with_file_name("home-backups").exists());
    server.kill();
    let _ = host.item(["clean", "global", "--yes"]);
    assert!(!host.home().exists());
}

#[test]
fn what_is_not_ours_or_is_stood_in_stays() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let refused = |home: &Path, said: &str| {
        let home = home.to_str().unwrap();
        host.json(["clean", "global", "--yes", "--force", "--home", home]).refused("KitaruUsageError", &[said]);
    };
    refused(Path::new("/"), "root of the file system");
    refused(&host.work(), "working directory");
    // Where `HOME` says who somebody is, theirs is in it too.
    refused(host.work().parent().unwrap(), if cfg!(windows) { "working directory" } else { "your home" });
    let within = host.work().join("within");
    std::fs::create_dir(&within).unwrap();
    let mut command = host.json_command(["clean", "global", "--yes", "--force", "--home", host.work().to_str().unwrap()]);
    command.current_dir(&within);
    Reply::from(command).refused("KitaruUsageError", &["working directory"]);
    let elsewhere = host.work().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("thesis.txt"), "years").unwrap();
    refused(&elsewhere, "no store of this program");
    std::fs::write(host.home().join("thesis.txt"), "years").unwrap();
    refused(&host.home(), "thesis.txt");
    assert!(host.database().exists() && elsewhere.join("thesis.txt").exists());
}

#[test]
fn aliases_are_deleted_only_by_force_and_the_users_file_is_kept_as_a_copy() {
    let host = Host::new();
    let _ = host.item(["model", "register", "fast", "--model", "openai/gpt-4o-mini"]);
    let file = host.configure("[host]\nflows = 3\n");
    host.json(["clean", "all", "--yes"]).refused("KitaruUsageError", &["model aliases", "--force"]);
    let cleaned = host.item(["clean", "all", "--yes", "--force"]);
    assert_eq!(paths(&cleaned, "deleted_paths").len(), 2, "{cleaned:#}");
    assert!(!file.exists() && !host.home().exists());
    let backup = PathBuf::from(cleaned["backup_path"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(backup.join("config.toml")).unwrap(), "[host]\nflows = 3\n");
    assert!(std::fs::read_to_string(backup.join("global/models.toml")).unwrap().contains("gpt-4o-mini"));
}
