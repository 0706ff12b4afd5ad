//! What happens when the database is not there, not ours, or not writable.

mod support;

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use countersign_store::{
    Engine, Location, Pending, Store, StoreConfig, StoreError, WriteMode,
    evidence::{self, Position},
    installation, testing,
};
use support::{Database, databases, evidence, has, hold, id, put, read, unsequenced, write};

#[test]
fn an_unknown_or_changed_migration_is_refused() {
    for database in databases() {
        let store = database.open();
        write(&store, |tx| {
            testing::batch(
                tx,
                "INSERT INTO schema_migration (version, name, text, applied_at) VALUES (99, 'later', '', 0)",
            )
        });
        store.close();
        drop(store);
        let error = Store::open(database.config.clone()).unwrap_err();
        assert!(
            matches!(&error, StoreError::WrongVersion(text) if text.contains("99 later")),
            "{error}"
        );
        let error = Store::open_reader(database.config.clone()).unwrap_err();
        assert!(matches!(error, StoreError::WrongVersion(_)));
    }
    for database in databases() {
        let store = database.open();
        write(&store, |tx| {
            testing::batch(
                tx,
                "UPDATE schema_migration SET text = 'other' WHERE version = 1",
            )
        });
        store.close();
        drop(store);
        let error = Store::open(database.config.clone()).unwrap_err();
        assert!(
            matches!(&error, StoreError::WrongVersion(text) if text.contains("differs")),
            "{error}"
        );
    }
}

#[test]
fn opening_again_applies_nothing_twice() {
    for database in databases() {
        let store = database.open();
        put(&store, "kept").wait().unwrap();
        store.close();
        drop(store);
        assert!(has(&database.open(), "kept"));
    }
}

#[test]
fn a_second_server_is_refused_and_a_reader_is_not() {
    let database = Database::sqlite();
    let store = database.open();
    put(&store, "seen").wait().unwrap();
    let error = Store::open(database.config.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    let reader = Store::open_reader(database.config.clone()).unwrap();
    assert!(has(&reader, "seen"));
    assert!(matches!(
        put(&reader, "no").wait(),
        Err(StoreError::ReadOnly(_))
    ));
    store.close();
    drop((store, reader));
    // Also where nobody is serving.
    assert!(has(
        &Store::open_reader(database.config.clone()).unwrap(),
        "seen"
    ));
    drop(database.open());
}

#[test]
fn a_reader_of_an_empty_place_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let error = Store::open_reader(StoreConfig::sqlite(directory.path())).unwrap_err();
    assert!(error.to_string().contains("start the server"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_one_clear_sentence() {
    // Permissions do not bind root, the kernel's own file system does.
    let error = Store::open(StoreConfig::sqlite("/sys/kernel/countersign")).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
}

#[test]
fn a_file_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("countersign.db"),
        "not a database, but long enough to be read as one".repeat(50),
    )
    .unwrap();
    let error = Store::open(StoreConfig::sqlite(directory.path())).unwrap_err();
    assert!(matches!(error, StoreError::WrongVersion(_)), "{error}");
}

#[test]
fn a_full_disk_is_told_to_every_caller_and_survived() {
    let database = Database::sqlite();
    let store = database.open();
    let release = hold(&store, 1);
    let first = put(&store, "first");
    let filler = store.write(WriteMode::Append, |tx| {
        testing::batch(tx, "PRAGMA max_page_count = 1")?;
        for index in 0..10_000 {
            installation::replace(tx, &format!("filler {index}"), &"x".repeat(4000))?;
        }
        Ok::<_, StoreError>(())
    });
    let last = put(&store, "last");
    release();
    assert!(matches!(filler.wait(), Err(StoreError::Full(_))));
    assert!(store.is_unwritable());
    // Who shared the group was told so; who came after was carried out.
    let shared = first.wait();
    assert!(matches!(shared, Err(StoreError::Full(_))), "{shared:?}");
    let _ = last.wait();
    put(&store, "after").wait().unwrap();
    assert!(has(&store, "after") && !has(&store, "first") && !has(&store, "filler 0"));
}

#[test]
fn a_store_without_room_is_unwritable_until_a_probe_succeeds() {
    let database = Database::sqlite();
    let store = database.open();
    store.probe().unwrap();
    assert!(!store.is_unwritable() && !has(&store, "write_probe"));
    // A refusal is not a lack of room.
    let refused = store.write(WriteMode::Append, |tx| testing::batch(tx, "no SQL"));
    assert!(matches!(refused.wait(), Err(StoreError::Fault(_))));
    assert!(!store.is_unwritable());
    // The pages that the probe left free would be room.
    let packed = store.write(WriteMode::Append, |tx| {
        testing::batch(
            tx,
            "CREATE TABLE ballast (x TEXT); INSERT INTO ballast VALUES (hex(zeroblob(1000000)));
             PRAGMA max_page_count = 1",
        )
    });
    packed.wait().unwrap();
    // It costs this one its table and the group nothing.
    let table = store.write(WriteMode::Append, |tx| {
        testing::batch(tx, "CREATE TABLE one_more (x TEXT)")
    });
    let error = table.wait().unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(store.is_unwritable());
    // What needs no new page is still kept.
    put(&store, "small").wait().unwrap();
    assert!(store.is_unwritable());
    let error = store.probe().unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(store.is_unwritable());
    write(&store, |tx| {
        testing::batch(tx, "PRAGMA max_page_count = 1000000")
    });
    store.probe().unwrap();
    assert!(!store.is_unwritable() && has(&store, "small"));
}

#[test]
fn a_read_only_database_is_unwritable_until_a_probe_succeeds() {
    for database in databases() {
        let store = database.open();
        let refused = match store.engine() {
            Engine::Postgres => store.write(WriteMode::Append, |tx| {
                testing::batch(tx, "SET TRANSACTION READ ONLY")?;
                installation::replace(tx, "no", "")
            }),
            Engine::Sqlite => {
                // From the next transaction on, until the connection is replaced for that.
                write(&store, |tx| testing::batch(tx, "PRAGMA query_only = 1"));
                put(&store, "no")
            }
        };
        let error = refused.wait().unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
        assert!(store.is_unwritable());
        store.probe().unwrap();
        assert!(!store.is_unwritable() && !has(&store, "no"));
    }
}

#[test]
fn a_postgres_without_room_is_unwritable_until_a_probe_succeeds() {
    let Some(mut database) = Database::postgres() else {
        return;
    };
    database.config.writers = 1;
    let store = database.open();
    let release = hold(&store, 1);
    let first = put(&store, "first");
    let filler = store.write(WriteMode::Append, |tx| {
        testing::batch(
            tx,
            "DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$",
        )
    });
    release();
    for answer in [first.wait(), filler.wait()] {
        assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
    }
    assert!(store.is_unwritable());
    store.probe().unwrap();
    assert!(!store.is_unwritable());
}

#[test]
fn a_transaction_that_stays_open_holds_the_log_and_is_named() {
    for database in databases() {
        let store = database.open();
        let Some(url) = &database.url else {
            assert_eq!(read(&store, |tx| tx.holder()), None, "nobody holds a file");
            continue;
        };
        let mut session = testing::Session::open(url).unwrap();
        session
            .run(
                "SET application_name = 'nightly `export`'; BEGIN;
                 INSERT INTO installation (name, value) VALUES ('held', 'x')",
            )
            .unwrap();
        let row = evidence(id(), 1_000);
        let recorded_at = row.recorded_at;
        write(&store, move |tx| evidence::insert(tx, &row));
        let none = Position::default();
        assert_eq!(unsequenced(&store, none, 0), []);
        let waiting = || read(&store, move |tx| evidence::oldest_waiting(tx, none));
        assert_eq!(waiting(), Some(recorded_at));
        // Other databases of the server may have an older transaction for a moment.
        let holder = eventually(|| {
            let holder = read(&store, |tx| tx.holder())?;
            holder.application.contains("nightly").then_some(holder)
        });
        assert!(holder.pid.is_some(), "{holder:?}");
        assert_eq!(holder.state, "idle in transaction");
        let said = holder.to_string();
        assert!(
            said.contains("application `nightly `export``, user `"),
            "{said}"
        );
        session.run("COMMIT").unwrap();
        let placed = unsequenced(&store, none, 1);
        assert_eq!(placed.len(), 1);
        let after = placed[0].position;
        assert_eq!(
            read(&store, move |tx| evidence::oldest_waiting(tx, after)),
            None
        );
        store.close();
    }
}

fn eventually<T>(ask: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "not in time");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_error_of_the_disk_makes_a_store_unwritable_until_a_probe_succeeds() {
    let store = Database::sqlite().open();
    assert!(!store.is_unwritable());
    // What cannot be opened is of the same class as what cannot be read or written.
    let refused = store.write(WriteMode::Append, |tx| {
        testing::batch(tx, "ATTACH '/nonexistent/other.db' AS other")
    });
    let error = refused.wait().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(store.is_unwritable());
    store.probe().unwrap();
    assert!(!store.is_unwritable());
}

/// With `COUNTERSIGN_TEST_MOUNT`, for who may mount: a disk on which the kernel finds an error and allows no more writing.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_the_kernel_made_read_only_is_noticed() {
    if std::env::var_os("COUNTERSIGN_TEST_MOUNT").is_none() {
        return;
    }
    let disk = Disk::mount();
    let store = Store::open(StoreConfig::sqlite(disk.path())).unwrap();
    put(&store, "before").wait().unwrap();
    assert!(!store.is_unwritable());
    disk.fail();
    let error = put(&store, "during").wait().unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable(_) | StoreError::ReadOnly(_)),
        "{error}"
    );
    assert!(store.is_unwritable());
    for _ in 0..3 {
        store.probe().unwrap_err();
        assert!(store.is_unwritable() && has(&store, "before"));
    }
    store.close();
}

/// An ext4 file system in a file of 64 MB.
#[cfg(target_os = "linux")]
struct Disk {
    directory: tempfile::TempDir,
}

#[cfg(target_os = "linux")]
impl Disk {
    fn mount() -> Self {
        let disk = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let image = disk.directory.path().join("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(64 << 20).unwrap();
        std::fs::create_dir(disk.path()).unwrap();
        run("mkfs.ext4", &["-q".as_ref(), image.as_os_str()]);
        let options = "loop,errors=remount-ro";
        let (image, path) = (image.as_os_str(), disk.path());
        run(
            "mount",
            &["-o".as_ref(), options.as_ref(), image, path.as_os_str()],
        );
        disk
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("disk")
    }

    /// The kernel finds an error in the file system.
    fn fail(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let path = self.path().display().to_string();
        let device = mounts
            .lines()
            .find_map(|line| {
                line.split_once(&format!(" {path} "))?
                    .0
                    .strip_prefix("/dev/")
            })
            .unwrap();
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
    }
}

#[cfg(target_os = "linux")]
fn run(program: &str, args: &[&std::ffi::OsStr]) {
    let status = std::process::Command::new(program).args(args).status();
    assert!(status.unwrap().success(), "{program} {args:?}");
}

/// With `COUNTERSIGN_TEST_SMALL_DISK`, a directory on a file system of a few megabytes: a disk that is really full.
#[test]
fn a_disk_that_was_full_is_used_again_when_there_is_room() {
    let Ok(disk) = std::env::var("COUNTERSIGN_TEST_SMALL_DISK") else {
        return;
    };
    let disk = std::path::Path::new(&disk);
    let ballast = disk.join("ballast");
    let store = Store::open(StoreConfig::sqlite(disk.join("data"))).unwrap();
    put(&store, "before").wait().unwrap();
    let filled = std::fs::write(&ballast, vec![0; 1 << 30]);
    assert!(filled.is_err(), "the disk is not small");
    for index in 0..200 {
        let group: Vec<_> = (0..20)
            .map(|unit| {
                store.write(WriteMode::Append, move |tx| {
                    installation::replace(tx, &format!("{index} {unit}"), &"x".repeat(4000))
                })
            })
            .collect();
        let answers: Vec<_> = group.into_iter().map(Pending::wait).collect();
        assert!(
            answers.iter().all(|answer| answer == &answers[0]),
            "one group, one fate: {answers:?}"
        );
        if let Err(error) = &answers[0] {
            assert!(matches!(error, StoreError::Full(_)), "{error}");
            assert!(has(&store, "before") && store.is_unwritable());
            let probed = store.probe();
            assert!(matches!(probed, Err(StoreError::Full(_))), "{probed:?}");
            std::fs::remove_file(&ballast).unwrap();
            store.probe().unwrap();
            assert!(!store.is_unwritable());
            put(&store, "after").wait().unwrap();
            assert!(has(&store, "after") && has(&store, "before"));
            return;
        }
    }
    panic!("never full");
}

/// A server between the store and PostgreSQL that can be switched off.
struct Switch {
    address: String,
    on: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Switch {
    fn before(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (on, open) = (
            Arc::new(AtomicBool::new(true)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (is_on, streams) = (Arc::clone(&on), Arc::clone(&open));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if !is_on.load(Ordering::SeqCst) {
                    let _ = client.shutdown(Shutdown::Both);
                    continue;
                }
                let server = TcpStream::connect(&target).unwrap();
                streams
                    .lock()
                    .unwrap()
                    .extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (mut a, mut b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    std::io::copy(&mut a, &mut b).map(|_| b.shutdown(Shutdown::Both))
                });
                let (mut a, mut b) = (server, client);
                thread::spawn(move || {
                    std::io::copy(&mut a, &mut b).map(|_| b.shutdown(Shutdown::Both))
                });
            }
        });
        Self { address, on, open }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_database_that_goes_away_and_comes_back_is_found_again() {
    let Some(mut database) = Database::postgres() else {
        return;
    };
    let url = database.url.clone().unwrap();
    let (front, name) = url.rsplit_once('/').unwrap();
    let (user, target) = front.split_once("://").unwrap().1.rsplit_once('@').unwrap();
    let switch = Switch::before(target.to_owned());
    database.config.location =
        Location::Postgres(format!("postgres://{user}@{}/{name}", switch.address));
    let store = database.open();
    put(&store, "before").wait().unwrap();

    // Connections that died while idle are replaced without anybody noticing.
    switch.cut();
    for _ in 0..8 {
        put(&store, "replaced").wait().unwrap();
        assert!(has(&store, "replaced"));
    }

    switch.on.store(false, Ordering::SeqCst);
    switch.cut();
    for _ in 0..8 {
        let started = Instant::now();
        let result = put(&store, "away").wait();
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    switch.on.store(true, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..8 {
        put(&store, "back").wait().unwrap();
    }
    assert!(has(&store, "back"));
}

/// On the server that `COUNTERSIGN_TEST_POSTGRES_TO_CRASH` names, which no other test may use: a killed backend makes
/// PostgreSQL end every connection, and start again from its log.
#[test]
fn a_crashed_server_is_found_again() {
    let Ok(base) = std::env::var("COUNTERSIGN_TEST_POSTGRES_TO_CRASH") else {
        return;
    };
    let database = Database::postgres_at(&base);
    let store = database.open();
    put(&store, "before").wait().unwrap();
    let mut client = postgres::Client::connect(&base, postgres::NoTls).unwrap();
    let backend: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    assert!(
        // The shell's own: a bare machine has no program of this name.
        std::process::Command::new("sh")
            .args(["-c", "kill -KILL \"$0\"", &backend.to_string()])
            .status()
            .unwrap()
            .success()
    );
    while client.simple_query("SELECT 1").is_ok() {
        thread::yield_now();
    }
    let started = Instant::now();
    while put(&store, "after").wait().is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "not back after 5 s"
        );
        thread::sleep(Duration::from_millis(20));
    }
    assert!(has(&store, "before") && has(&store, "after"));
}
