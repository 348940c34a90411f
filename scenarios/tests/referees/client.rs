//! Debian's `mender`, version 3.4, unmodified: a device of its own, with its own key and store, on a file system that it believes
//! to be its own.
//!
//! It reads fixed paths. Where a mount namespace can be made, folders of the test stand at these paths for this client only; where
//! not, files are put there and taken away again, and never over somebody's own.

use crate::bench::Bench;
use crate::process::{Process, run, said};
use crate::server::Server;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The update module that the client is given.
pub const MODULE: &str = "fleetproof-hil";

/// The device type that the client says it is.
pub const DEVICE_TYPE: &str = "fleetproof-referee";

/// The artifact that it says it was made with.
pub const FACTORY: &str = "factory-1";

/// Fixed paths: which file, what is in it, whether it is a program.
const FILES: &[(&str, &str, bool)] = &[
    ("/etc/mender/artifact_info", "artifact_name=factory-1\n", false),
    ("/usr/share/mender/identity/mender-device-identity", "#!/bin/sh\necho \"mac=$FLEETPROOF_MAC\"\n", true),
    ("/usr/share/mender/modules/v3/fleetproof-hil", include_str!("module.sh"), true),
];

/// Folders that a namespace replaces, and the names of those that stand there.
const FOLDERS: &[(&str, &str)] = &[("/etc/mender", "etc"), ("/usr/share/mender", "share")];

/// How the client comes to its files.
enum FileSystem {
    /// A namespace made by these words before the command.
    Own(&'static [&'static str]),
    /// Everybody's; these files go when this goes.
    Shared(Vec<PathBuf>),
}

impl FileSystem {
    fn make(bench: &Bench) -> Self {
        let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
        for way in ways {
            let probe = "mount --bind \"$1\" /etc/mender";
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["--", "sh", "-c", probe, "sh"]).arg(bench.path("."));
            if run(&mut command).status.success() {
                for (path, content, is_program) in FILES {
                    put(&inside(bench, path), content, *is_program);
                }
                fs::create_dir_all(inside(bench, "/usr/share/mender/inventory")).unwrap();
                return Self::Own(way);
            }
        }
        let mut put_there = Self::Shared(Vec::new());
        for (path, content, is_program) in FILES {
            let path = Path::new(path);
            assert!(!path.exists(), "{} is somebody's, and no mount namespace can be made", path.display());
            put(path, content, *is_program);
            let Self::Shared(files) = &mut put_there else { continue };
            files.push(path.to_owned());
        }
        put_there
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        if let Self::Shared(files) = self {
            for file in files {
                drop(fs::remove_file(file));
            }
        }
    }
}

/// Where a file stands that the namespace shows at a fixed path.
fn inside(bench: &Bench, path: &str) -> PathBuf {
    let at =
        FOLDERS.iter().find_map(|(folder, name)| Some(bench.path(name).join(path.strip_prefix(folder)?.get(1..)?)));
    at.unwrap_or_else(|| panic!("{path} stands in no folder of the namespace"))
}

fn put(path: &Path, content: &str, is_program: bool) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(if is_program { 0o755 } else { 0o644 })).unwrap();
}

/// A device that runs the client.
pub struct Client<'a> {
    bench: &'a Bench,
    mac: String,
    file_system: FileSystem,
    daemon: Option<Process>,
}

impl<'a> Client<'a> {
    /// A device that was never switched on, with the address `mac` for an identity.
    pub fn new(bench: &'a Bench, server: &Server, mac: &str) -> Self {
        Self::at(bench, server, mac, server.url(), None)
    }

    /// The same, that comes with TLS and trusts whom the platform says it should.
    pub fn secure(bench: &'a Bench, server: &Server, mac: &str) -> Self {
        Self::at(bench, server, mac, server.secure_url(), Some(server.ca_certificate()))
    }

    /// From now on it trusts whom `file` says.
    pub fn trusts(&self, file: &str) {
        let path = self.bench.path("mender.conf");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["ServerCertificate"] = file.into();
        fs::write(path, config.to_string()).unwrap();
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.bench.path("client.log")).unwrap_or_default()
    }

    fn at(bench: &'a Bench, server: &Server, mac: &str, url: &str, trusts: Option<&str>) -> Self {
        fs::create_dir_all(bench.path("data")).unwrap();
        fs::create_dir_all(bench.path("hil")).unwrap();
        bench.write("device_type", format!("device_type={DEVICE_TYPE}\n"));
        let mut config = serde_json::json!({
            "ServerURL": url,
            "TenantToken": server.tenant_token(),
            "UpdatePollIntervalSeconds": 1,
            "InventoryPollIntervalSeconds": 2,
            "RetryPollIntervalSeconds": 1,
            "RetryPollCount": 3,
            "DeviceTypeFile": bench.text("device_type"),
            "UpdateLogPath": bench.text("data"),
            "DBus": { "Enabled": false },
        });
        if let Some(trusts) = trusts {
            config["ServerCertificate"] = trusts.into();
        }
        bench.write("mender.conf", config.to_string());
        Self { bench, mac: mac.to_owned(), file_system: FileSystem::make(bench), daemon: None }
    }

    /// The command line of the client, as it would be on the device.
    fn command(&self, arguments: &[&str]) -> Command {
        let bench = self.bench;
        let mut command = match &self.file_system {
            FileSystem::Own(way) => {
                let mut command = Command::new(way[0]);
                let mounts = "mount --bind \"$1\" /etc/mender && mount --bind \"$2\" /usr/share/mender && shift 2 && exec \"$@\"";
                command.args(&way[1..]).args(["--", "sh", "-c", mounts, "sh"]);
                command.arg(bench.path("etc")).arg(bench.path("share")).arg("setpriv");
                command
            }
            FileSystem::Shared(_) => Command::new("setpriv"),
        };
        command.args(["--pdeathsig", "KILL", "--", "mender", "--no-syslog", "--log-level", "info"]);
        command.arg("--config").arg(bench.path("mender.conf")).args(["--fallback-config", "/nonexistent"]);
        command.arg("--data").arg(bench.path("data")).args(arguments);
        command.env("FLEETPROOF_MAC", &self.mac).env("FLEETPROOF_HIL", bench.path("hil")).stdin(Stdio::null());
        command
    }

    /// Switches the device on.
    pub fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.bench.path("client.log")).unwrap();
        let mut command = self.command(&["daemon"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(Process::start("mender", &mut command));
    }

    /// Takes the power away: the client and its update module are gone at once.
    pub fn cut_power(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// Ends the client in an orderly way, and asks its store which artifact it runs.
    pub fn end(mut self) -> String {
        let status = self.daemon.take().unwrap().end();
        assert!(status.success(), "mender ended with {status}");
        self.shows("show-artifact").trim().to_owned()
    }

    /// What `mender show-artifact` or `show-provides` prints on the device.
    pub fn shows(&self, what: &str) -> String {
        let output = run(&mut self.command(&[what]));
        assert!(output.status.success(), "mender {what}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The address it shows for an identity.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// The states that the update module has been called for.
    pub fn states(&self) -> Vec<String> {
        let trace = fs::read_to_string(self.bench.path("hil/trace")).unwrap_or_default();
        // A line that is being written is not there yet.
        trace.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// Lets the update module go on in its `number`th state, from one.
    pub fn go(&self, number: usize) {
        File::create(self.bench.path("hil").join(format!("go-{number}"))).unwrap();
    }
}
