//! What a guest cannot reach or change, and what is noted of what it does.

use super::*;

#[tokio::test]
async fn no_path_leads_out() {
    let mut guest = Guest::new(Limits::default());
    let absolute = guest.top.join("outside.txt").display().to_string();
    let paths = [
        "../outside.txt",
        "deep/../../outside.txt",
        "up",
        "absolute",
        "parent/outside.txt",
        "root/etc/hostname",
        "..",
        &absolute,
    ];
    for path in paths {
        for (open, flags) in [
            (OpenFlags::empty(), READ),
            (OpenFlags::empty(), WRITE),
            (OpenFlags::TRUNCATE, WRITE),
            (OpenFlags::CREATE, WRITE),
            (OpenFlags::CREATE | OpenFlags::TRUNCATE, READ | WRITE),
        ] {
            let refused = code(guest.open(path, open, flags).await);
            let is_folder = path == ".." && flags != READ && refused == ErrorCode::IsDirectory;
            assert!(is_folder || matches!(refused, ErrorCode::NotPermitted | ErrorCode::Loop), "{path}: {refused:?}");
        }
        let fd = || again(&guest.output);
        let (from, to, stat) = (fd(), fd(), fd());
        assert!(guest.wasi().rename_at(from, "a.txt".into(), to, format!("{path}/x")).await.is_err(), "{path}");
        assert!(guest.wasi().stat_at(stat, FOLLOW, path.into()).await.is_err(), "{path}");
    }
    let output = again(&guest.output);
    let folder = || again(&output);
    for (new, old) in [
        ("../x", "../outside.txt"),
        ("parent/x", "parent/outside.txt"),
        ("deep/../../x", "deep/../../outside.txt"),
        ("/x", absolute.as_str()),
    ] {
        let mut wasi = guest.wasi();
        let refused = [
            wasi.create_directory_at(folder(), new.into()).await,
            wasi.link_at(folder(), PathFlags::empty(), "a.txt".into(), folder(), new.into()).await,
            wasi.symlink_at(folder(), "a.txt".into(), new.into()).await,
            wasi.rename_at(folder(), "a.txt".into(), folder(), new.into()).await,
            wasi.unlink_file_at(folder(), old.into()).await,
            wasi.rename_at(folder(), old.into(), folder(), "mine".into()).await,
            wasi.link_at(folder(), PathFlags::empty(), old.into(), folder(), "mine".into()).await,
            wasi.set_times_at(folder(), FOLLOW, old.into(), NewTimestamp::Now, NewTimestamp::Now).await,
        ];
        assert!(refused.iter().all(Result::is_err), "{new}: {refused:?}");
    }
    assert_eq!(guest.read_outside(), "outside");
    assert!(guest.denied(AccessKind::Read, "out/up") && guest.denied(AccessKind::Write, "out/../x"));
    let denials = guest.state.audit.denials();
    assert!(denials.iter().any(|denial| denial.starts_with("reading out/up: it leads out")), "{denials:?}");
    assert_eq!(guest.used(AccessKind::Write, "out/up"), 0);
}

/// What lies behind a name changes while the guest uses it: some tries fail, and none reaches what is outside.
#[tokio::test]
async fn a_link_that_is_made_meanwhile_is_not_followed_out() {
    let mut guest = Guest::new(Limits { written_files: u64::MAX, ..Limits::default() });
    let out = guest.top.join("out");
    std::fs::create_dir(out.join("real")).unwrap();
    std::fs::write(out.join("real/outside.txt"), "inside").unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapping = {
        let (stop, out) = (stop.clone(), out.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = symlink("..", out.join("next")).and_then(|()| std::fs::rename(out.join("next"), out.join("swapped")));
                let _ = symlink("real", out.join("next")).and_then(|()| std::fs::rename(out.join("next"), out.join("swapped")));
            }
        })
    };
    // Until both have been met, and a thousand times at least.
    let (mut met, mut refused, mut tries) = (0, 0, 0);
    while met == 0 || refused == 0 || tries < 1000 {
        tries += 1;
        match guest.open("swapped/outside.txt", OpenFlags::CREATE, READ | WRITE).await {
            Ok(file) => {
                met += 1;
                let (text, _) = guest.wasi().read(again(&file), 100, 0).await.unwrap();
                assert_eq!(text, b"inside");
                guest.wasi().close(file).unwrap();
            }
            Err(_) => refused += 1,
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapping.join().unwrap();
    assert_eq!(guest.read_outside(), "outside");
}

/// A FIFO would keep a thread until somebody opens its other end, and a device has no end.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_neither_file_nor_folder_is_not_opened() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let mut guest = Guest::new(Limits::default());
    mknodat(CWD, guest.top.join("out/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    symlink("pipe", guest.top.join("out/to-pipe")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(guest.top.join("out/socket")).unwrap();
    for path in ["pipe", "to-pipe", "socket"] {
        for (open, flags) in [
            (OpenFlags::empty(), READ),
            (OpenFlags::empty(), WRITE),
            (OpenFlags::CREATE, READ | WRITE),
            (OpenFlags::TRUNCATE, WRITE),
        ] {
            assert_eq!(code(guest.open(path, open, flags).await), ErrorCode::NotPermitted, "{path}");
        }
        let fd = again(&guest.output);
        let touched = guest.wasi().set_times_at(fd, FOLLOW, path.into(), NewTimestamp::Now, NewTimestamp::Now).await;
        assert_eq!(code(touched), ErrorCode::NotPermitted, "{path}");
        assert!(guest.denied(AccessKind::Read, &format!("out/{path}")), "{path}");
    }
    assert!(guest.state.audit.denials().contains(&"reading out/pipe: it is neither a file nor a folder".to_owned()));

    let mut state = empty_state(Limits::default());
    let devices = FolderGrant { host: "/dev".into(), guest: "/dev".into() };
    state.files = Files::open(&Grants { read: vec![devices], ..Grants::default() }, &Limits::default()).unwrap();
    let folder = Granted(&mut state).get_directories().unwrap().pop().unwrap().0;
    let opened = Granted(&mut state).open_at(folder, FOLLOW, "zero".into(), OpenFlags::empty(), READ).await;
    assert_eq!(code(opened), ErrorCode::NotPermitted);
    assert!(state.audit.denials()[0].starts_with("reading /dev/zero: "));
}

#[tokio::test]
async fn a_folder_to_read_is_not_changed_and_the_flag_is_named() {
    let mut guest = Guest::new(Limits::default());
    let before = std::fs::metadata(guest.top.join("in/a.txt")).unwrap().modified().unwrap();
    let zero = NewTimestamp::Timestamp(wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime { seconds: 1, nanoseconds: 0 });
    let input = again(&guest.input);
    let folder = || again(&input);
    for (open, flags) in [
        (OpenFlags::empty(), WRITE),
        (OpenFlags::empty(), READ | WRITE),
        (OpenFlags::TRUNCATE, READ),
        (OpenFlags::CREATE, READ),
        (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, READ),
    ] {
        let refused = guest.wasi().open_at(folder(), FOLLOW, "a.txt".into(), open, flags).await;
        assert_eq!(code(refused), ErrorCode::NotPermitted);
    }
    let file = guest.wasi().open_at(folder(), FOLLOW, "a.txt".into(), OpenFlags::empty(), READ).await.unwrap();
    let (own, output) = (|| again(&file), again(&guest.output));
    let mut wasi = guest.wasi();
    let refused = [
        wasi.create_directory_at(folder(), "new".into()).await,
        wasi.unlink_file_at(folder(), "a.txt".into()).await,
        wasi.remove_directory_at(folder(), "deep".into()).await,
        wasi.symlink_at(folder(), "a.txt".into(), "new".into()).await,
        wasi.link_at(folder(), PathFlags::empty(), "a.txt".into(), again(&output), "new".into()).await,
        wasi.link_at(again(&output), PathFlags::empty(), "a.txt".into(), folder(), "new".into()).await,
        wasi.rename_at(folder(), "a.txt".into(), again(&output), "new".into()).await,
        wasi.rename_at(again(&output), "a.txt".into(), folder(), "new".into()).await,
        wasi.set_times_at(folder(), FOLLOW, "a.txt".into(), zero, zero).await,
        wasi.set_times_at(folder(), PathFlags::empty(), "a.txt".into(), zero, zero).await,
        wasi.set_times(own(), zero, zero).await,
        wasi.set_times(folder(), zero, zero).await,
        wasi.set_size(own(), 0).await,
        wasi.write(own(), b"x".to_vec(), 0).await.map(drop),
        wasi.write_via_stream(own(), 0).map(drop),
        wasi.append_via_stream(own()).map(drop),
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        assert_eq!(code(refused), ErrorCode::NotPermitted, "case {number}");
    }
    // Folders below a folder to read are to read.
    let deep = guest.wasi().open_at(folder(), FOLLOW, "deep".into(), OpenFlags::DIRECTORY, READ).await.unwrap();
    assert_eq!(code(guest.wasi().create_directory_at(deep, "new".into()).await), ErrorCode::NotPermitted);
    assert_eq!(std::fs::read_to_string(guest.top.join("in/a.txt")).unwrap(), "text of a");
    assert_eq!(std::fs::metadata(guest.top.join("in/a.txt")).unwrap().modified().unwrap(), before);
    assert_eq!(std::fs::read_dir(guest.top.join("in")).unwrap().count(), 7);
    assert!(guest.state.audit.denials().contains(&"writing in/a.txt (grant it with --allow-write=in)".to_owned()));
    assert!(guest.denied(AccessKind::Write, "in/a.txt") && guest.denied(AccessKind::Write, "in/deep/new"));
}

#[tokio::test]
async fn links_that_a_guest_makes_lead_down() {
    let mut guest = Guest::new(Limits::default());
    let output = again(&guest.output);
    for target in ["../outside.txt", "..", "deep/../../outside.txt", "/etc/hostname", "/proc/self/root"] {
        let made = guest.wasi().symlink_at(again(&output), target.into(), "mine".into()).await;
        assert_eq!(code(made), ErrorCode::NotPermitted, "{target}");
        assert!(std::fs::symlink_metadata(guest.top.join("out/mine")).is_err(), "{target}");
    }
    guest.wasi().symlink_at(output, "deep/b.txt".into(), "mine".into()).await.unwrap();
    // Through a link that leads nowhere yet, a file is made where it leads.
    let _ = guest.file("mine").await;
    assert!(guest.top.join("out/deep/b.txt").is_file());
}

#[tokio::test]
async fn uses_are_noted_as_the_guest_says_them() {
    let mut guest = Guest::new(Limits::default());
    let input = again(&guest.input);
    let folder = || again(&input);
    let deep = guest.wasi().open_at(folder(), FOLLOW, "deep".into(), OpenFlags::DIRECTORY, READ).await.unwrap();
    let _ = guest.wasi().stat_at(deep, FOLLOW, ".".into()).await.unwrap();
    let _ = guest.wasi().open_at(folder(), FOLLOW, "./good".into(), OpenFlags::empty(), READ).await.unwrap();
    assert_eq!(guest.wasi().readlink_at(folder(), "good".into()).await.unwrap(), "a.txt");
    let _ = guest.file("new\u{1b}[2J").await;
    let output = again(&guest.output);
    guest.wasi().rename_at(again(&output), "a.txt".into(), output, "deep/b.txt".into()).await.unwrap();
    let count = |kind, target: &str| guest.used(kind, target);
    assert_eq!(
        (count(AccessKind::Read, "in/deep"), count(AccessKind::Read, "in/./good"), count(AccessKind::Read, "in/good")),
        (2, 1, 1)
    );
    let new = r"out/new\u{1b}[2J";
    assert_eq!((count(AccessKind::Read, new), count(AccessKind::Write, new)), (1, 1));
    assert_eq!((count(AccessKind::Write, "out/a.txt"), count(AccessKind::Write, "out/deep/b.txt")), (1, 1));
    assert!(guest.state.audit.denials().is_empty());
}
