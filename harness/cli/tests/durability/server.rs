//! The process under test.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Two tenants of a provider.
const PLATFORM: &str = "scenario: durable
platform:
  provider: { device_limit: 1000, admin: pia@provider.test }
  tenants:
    acme: { device_limit: 200, admin: ada@acme.test }
    globex: { device_limit: 200, admin: gus@globex.test, users: { vic@globex.test: { role: viewer } } }
artifacts:
  v2: { version: \"2.0\", size: 1 KiB }
devices:
  hvac: { tenant: acme, simulated: 1, speaks: mender, runs: \"1.0\" }
steps:
  - enroll: { devices: [hvac] }
  - expect: { within: 20s, online: { devices: [hvac] } }
";

/// A folder with the scenario and the data, gone at the end unless the test fails.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("platform.yaml"), PLATFORM).unwrap();
        Self(path)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was left is in {}", self.0.display());
        } else {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

pub(crate) struct Server {
    child: Child,
    pub(crate) told: Value,
}

impl Server {
    pub(crate) fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetproof"))
            .args(["serve", "platform.yaml", "--data", "data"])
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("serve said {line:?}: {error}"));
        Self { child, told }
    }

    /// Host and port of the gateway.
    pub(crate) fn host(&self) -> String {
        self.told["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
    }

    /// As the kernel does it when memory runs out: at once, and nobody is asked.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn end(mut self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What is told, without what differs from start to start: addresses, and the device that only the first start makes.
fn lasting(told: &Value) -> Value {
    let mut told = told.clone();
    for tenant in told["tenants"].as_object_mut().unwrap().values_mut() {
        for door in tenant["mqtt"].as_array_mut().unwrap() {
            for passing in ["own", "shared", "device"] {
                door.as_object_mut().unwrap().remove(passing);
            }
        }
    }
    told
}

/// Everything that lasts is told again as it was.
pub(crate) fn same_logins(then: &Value, now: &Value) {
    let (then, now) = (&lasting(then), &lasting(now));
    for key in ["provider", "tenants", "ca_certificate"] {
        assert_eq!(then[key], now[key], "{key}");
        assert!(!then[key].is_null(), "{key}");
    }
    assert_eq!(then["operator"]["token"], now["operator"]["token"]);
}
