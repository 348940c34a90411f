//! Child processes that end with the test: each in its own process group, told to stop, waited for, killed if it does not listen.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How long a process may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command whose process dies with the thread that starts it, so that nothing outlives a test that was killed.
pub fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// A process and all that it started, until this is dropped.
pub struct Process {
    name: String,
    child: Option<Child>,
}

impl Process {
    /// Starts it, with a process group of its own. `name` is for complaints.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
        Self { name: name.to_owned(), child: Some(child) }
    }

    /// The process itself, e.g. for its pipes.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    /// Asks it to end, and says how it did.
    pub fn end(mut self) -> ExitStatus {
        let name = self.name.clone();
        self.finish("TERM").unwrap_or_else(|| panic!("{name} did not end within {PATIENCE:?} of being told to"))
    }

    /// Takes the power away from it and from all that it started.
    pub fn kill(mut self) {
        self.finish("KILL");
    }

    /// Sends a signal, waits, and kills what is left. `None`: it had to be killed.
    fn finish(&mut self, signal: &str) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        let group = format!("-{}", child.id());
        let (done, ended) = channel();
        // The process is told alone: what it started is its own to end. Only the kill is for the whole group.
        send(signal, if signal == "KILL" { &group } else { &group[1..] });
        std::thread::spawn(move || done.send(child.wait()));
        let status = match ended.recv_timeout(PATIENCE) {
            Ok(status) => status.ok(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        };
        send("KILL", &group);
        if status.is_none() {
            // Reaped, so that a process id is not given to somebody else while a test still knows it.
            drop(ended.recv_timeout(PATIENCE));
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.finish("TERM");
    }
}

/// Sends a signal to a process, or to a group if the number is negative. That nobody is there any more is fine.
fn send(signal: &str, to: &str) {
    let kill = Command::new("sh").args(["-c", "kill -s \"$1\" -- \"$2\" 2>/dev/null", "kill", signal, to]).status();
    assert!(kill.is_ok(), "there is no shell to send a signal with");
}

/// Runs a program that ends by itself, and returns all that it said.
pub fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?} could not be run: {error}"))
}

/// What a program said on both its outputs, for searching and for complaints.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
