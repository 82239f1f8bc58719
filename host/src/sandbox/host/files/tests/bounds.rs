//! How much a guest can write, and hold.

use super::*;

#[tokio::test]
async fn every_way_to_write_is_counted() {
    const KEY: &str = "`written_mib` of 1 MiB";
    // Sizes: growing, and growing again after shrinking.
    let mut guest = Guest::new(small());
    let file = guest.file("new").await;
    for size in [MIB / 2, 0, MIB / 2, MIB / 4] {
        guest.wasi().set_size(again(&file), size).await.unwrap();
    }
    assert!(limit(guest.wasi().set_size(again(&file), MIB).await).contains(KEY));
    assert_eq!(std::fs::metadata(guest.top.join("out/new")).unwrap().len(), MIB / 4, "what is refused is not done");
    assert!(limit(guest.wasi().set_size(file, u64::MAX).await).contains(KEY));

    // Far behind the end.
    let mut guest = Guest::new(small());
    let file = guest.file("new").await;
    assert!(limit(guest.wasi().write(again(&file), b"x".to_vec(), MIB).await).contains(KEY));
    assert!(limit(guest.wasi().write(again(&file), b"x".to_vec(), u64::MAX).await).contains(KEY));
    let stream = guest.wasi().write_via_stream(again(&file), 1 << 40).unwrap();
    assert!(stream_limit(guest.stream(stream, 1).await).contains(KEY));
    assert_eq!(std::fs::metadata(guest.top.join("out/new")).unwrap().len(), 0);

    // The same place again and again, through handles and streams of several kinds, with the file emptied meanwhile.
    let mut guest = Guest::new(small());
    for number in 0..3 {
        let file = guest.open("a.txt", OpenFlags::CREATE | OpenFlags::TRUNCATE, WRITE).await.unwrap();
        let at = guest.wasi().write_via_stream(again(&file), 0).unwrap();
        let end = guest.wasi().append_via_stream(again(&file)).unwrap();
        let eighth = usize::try_from(MIB / 8).unwrap();
        guest.wasi().write(again(&file), vec![0; eighth], 0).await.unwrap();
        let streams = (guest.stream(at, eighth).await, guest.stream(end, eighth).await);
        match number {
            // Three eighths each time.
            0 | 1 => assert!(streams.0.is_ok() && streams.1.is_ok()),
            _ => assert!(stream_limit(streams.1).contains(KEY)),
        }
    }
    assert_eq!(guest.used(AccessKind::Write, "out/a.txt"), 3);
}

#[tokio::test]
async fn a_stream_takes_no_more_than_it_permits() {
    let mut guest = Guest::new(Limits::default());
    let file = guest.file("new").await;
    let stream = guest.wasi().write_via_stream(file, 0).unwrap();
    let stream = guest.state.table.get_mut(&stream).unwrap();
    let permitted = stream.check_write().unwrap();
    assert!(matches!(stream.write(Bytes::from(vec![0; permitted + 1])), Err(StreamError::Trap(_))));
    stream.write(Bytes::from(vec![0; permitted])).unwrap();
    stream.write_ready().await.unwrap();
}

#[tokio::test]
async fn every_way_to_make_a_file_is_counted() {
    const KEY: &str = "`written_files` of 3";
    let mut guest = Guest::new(small());
    let output = again(&guest.output);
    let folder = || again(&output);
    // What fails is not counted, nor is what is there.
    for _ in 0..5 {
        assert_eq!(code(guest.wasi().create_directory_at(folder(), "deep".into()).await), ErrorCode::Exist);
        assert_eq!(code(guest.open("a.txt", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE).await), ErrorCode::Exist);
        assert_eq!(code(guest.open("no/such", OpenFlags::CREATE, WRITE).await), ErrorCode::NoEntry);
        assert_eq!(code(guest.open("absent", OpenFlags::empty(), WRITE).await), ErrorCode::NoEntry);
        let _ = guest.file("good").await;
    }
    guest.wasi().create_directory_at(folder(), "one".into()).await.unwrap();
    guest.wasi().remove_directory_at(folder(), "one".into()).await.unwrap();
    guest.wasi().link_at(folder(), PathFlags::empty(), "a.txt".into(), folder(), "two".into()).await.unwrap();
    guest.wasi().symlink_at(folder(), "a.txt".into(), "three".into()).await.unwrap();
    let refused = [
        guest.open("four", OpenFlags::CREATE, WRITE).await.map(drop),
        guest.open("four", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE).await.map(drop),
        guest.wasi().create_directory_at(folder(), "four".into()).await,
        guest.wasi().link_at(folder(), PathFlags::empty(), "a.txt".into(), folder(), "four".into()).await,
        guest.wasi().symlink_at(folder(), "a.txt".into(), "four".into()).await,
    ];
    for refused in refused {
        assert!(limit(refused).contains(KEY));
    }
    // Moving over what is there makes nothing.
    guest.wasi().rename_at(folder(), "two".into(), folder(), "moved".into()).await.unwrap();
    assert!(std::fs::symlink_metadata(guest.top.join("out/four")).is_err());
}

#[tokio::test]
async fn listings_are_few_at_a_time() {
    let mut guest = Guest::new(Limits::default());
    let input = again(&guest.input);
    let mut listings = Vec::new();
    let refused = loop {
        match guest.wasi().read_directory(again(&input)).await {
            Ok(listing) => listings.push(listing),
            Err(error) => break code(FsResult::<()>::Err(error)),
        }
    };
    assert_eq!((refused, listings.len()), (ErrorCode::InsufficientMemory, 32));
    HostDirectoryEntryStream::drop(&mut guest.wasi(), listings.pop().unwrap()).unwrap();
    let listing = guest.wasi().read_directory(input).await.unwrap();
    assert!(guest.wasi().read_directory_entry(listing).await.unwrap().is_some());
    assert_eq!(guest.used(AccessKind::Read, "in"), 33);
}
