//! A disk without room: a real one, small, where this user may mount one.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use fixtures::{GitIndex, IndexLineBuilder, World};

use crate::harness::{Home, skip, small_world};

const KRATES: usize = 1_500;

/// A file system in memory, unmounted with this.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`: this user may mount nothing.
    fn new(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m,mode=0777");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(folder));
        }
        skip("a small disk cannot be mounted here; that takes root");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is, until the file is removed.
    fn fill(&self) -> tempfile::NamedTempFile {
        let mut filler = tempfile::NamedTempFile::new_in(self.path()).unwrap();
        loop {
            match filler.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(full) if full.kind() == ErrorKind::StorageFull => return filler,
                Err(other) => panic!("{other}"),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn many() -> World {
    (0..KRATES).fold(small_world(), |world, n| {
        let name = format!("krate{n:04}");
        let line = IndexLineBuilder::new(&name, "1.0.0").cksum(&fixtures::sha256_hex(name.as_bytes()));
        world.version(&name, "1.0.0", &line, None)
    })
}

/// Follows while the database's disk is full: an error that says so, and all of it is done when there is room.
fn is_named_and_overcome(home: &Home, disk: &SmallDisk) {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), None, "a").unwrap();
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once", "--from", "start"];
    home.json(&follow);
    let told = || home.json(&["changes"])["changes"].as_array().unwrap().len();
    assert_eq!(told(), 3);

    index.commit(&many(), None, "b").unwrap();
    let filler = disk.fill();
    let full = home.run(&follow);
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(full.stderr.contains("no room left"), "{}", full.stderr);
    drop(filler);
    assert_eq!(told(), 3, "nothing is half written");
    home.json(&follow);
    assert_eq!(told(), 3 + KRATES);
}

#[test]
fn a_full_disk_under_sqlite_is_named_and_overcome() {
    let Some(disk) = SmallDisk::new(24) else { return };
    is_named_and_overcome(&Home::in_folder(disk.path()), &disk);
}

#[test]
fn a_full_disk_under_postgresql_is_named_and_overcome() {
    let Some(disk) = SmallDisk::new(64) else { return };
    let Some((home, _server)) = Home::on_own_server() else { return };
    // The tables alone: a server that cannot write its log stops, and that is another story.
    home.move_database(&disk.path().join("tables"));
    is_named_and_overcome(&home, &disk);
}
