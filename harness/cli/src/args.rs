//! What the command line understands.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Proves that a multi-tenant device-fleet platform keeps its tenants apart, holds its quotas and rolls back bad updates.
#[derive(Debug, Parser)]
#[command(name = "fleetproof", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios: files, or folders of `*.yaml`
    Run(Run),
    /// Read and validate every file, report all mistakes of all files, run nothing
    Check(Paths),
    /// What would run: steps, attempts per claim, drawn choices, what is skipped and why
    Plan(Plan),
    /// Print the JSON Schema of scenario files
    Schema,
    /// The catalogue of claims, and of every attempt behind them
    Claims,
    /// The catalogue of defects that the reference platform can be started with
    Defects(Defects),
    /// Run the reference platform alone, for a person or a real client to try
    Serve(Serve),
    /// Draw a device's QR code, by which it is claimed at the Device Lobby (SVG)
    Label(Label),
    /// Run a fleet against any endpoint, without a scenario, and count what comes of it
    #[command(subcommand)]
    Simulate(Simulate),
    /// Print a report of a recorded run, or of one from its shards
    Report(Report),
    /// Give back what runs that were killed still hold
    Clean,
    /// Run a recorded run again: same scenarios, same seed; say whether the traces are the same
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(crate) struct Paths {
    /// Files, or folders of `*.yaml`
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    /// Devices that connect by MQTT, all with one certificate, each under a name of its own
    Mqtt(SimulateMqtt),
    /// Devices that poll, as Mender's do
    Mender(SimulateMender),
}

/// What all fleets have.
#[derive(Debug, Args)]
pub(crate) struct Crowd {
    /// Where the endpoint is: HOST:PORT
    #[arg(long)]
    pub(crate) at: String,
    /// How many devices
    #[arg(long)]
    pub(crate) devices: u32,
    /// How their names begin: NAMES-1, NAMES-2, …
    #[arg(long, default_value = "sim")]
    pub(crate) names: String,
    /// The version that they run
    #[arg(long, default_value = "1.0")]
    pub(crate) runs: String,
    /// How long
    #[arg(long, value_parser = duration, default_value = "60s")]
    pub(crate) r#for: Duration,
    /// How often a line is told meanwhile
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) tell: Duration,
    /// The seed of what devices draw: keys, pauses
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateMqtt {
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    /// The host that they name in their handshake
    #[arg(long)]
    pub(crate) host: String,
    /// A file with the certificate that they trust (PEM)
    #[arg(long)]
    pub(crate) ca: PathBuf,
    /// A file with the certificate that all of them show (PEM); its policy lets it in under every name
    #[arg(long)]
    pub(crate) certificate: PathBuf,
    /// A file with its key (PEM)
    #[arg(long)]
    pub(crate) key: PathBuf,
    /// Where each says something; `{thing}` stands for its name. They only connect when it is left out
    #[arg(long)]
    pub(crate) publishes: Option<String>,
    /// How often it says it
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) every: Duration,
    /// Of how many bytes
    #[arg(long, default_value_t = 200)]
    pub(crate) size: usize,
    /// They do jobs
    #[arg(long)]
    pub(crate) jobs: bool,
    /// They have a shadow
    #[arg(long)]
    pub(crate) shadow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateMender {
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    /// The variable of the environment with the tenant's token
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant_token_env: String,
    /// How often they ask for an update
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) poll: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// The text of its label, its fingerprint, or a file with its certificate (PEM)
    pub(crate) device: String,
    /// Where the drawing goes, instead of to the standard output
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) paths: Paths,
    /// The clock: virtual jumps and replays bit for bit; real runs on loopback sockets
    #[arg(long, value_enum, default_value_t = Clock::Virtual)]
    pub(crate) clock: Clock,
    /// The seed of every choice; drawn and printed when it is not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only scenarios that bear this tag (may be given several times: any of them)
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Only the K-th of N parts of the scenarios (`2/5`), for N machines that share a run
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub(crate) shard: Option<Shard>,
    /// On the real clock, run a scenario that failed or was inconclusive again, at most so often [broken: once by itself]
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u32,
    /// Scenarios that passed only on a retry end with 0
    #[arg(long)]
    pub(crate) allow_flaky: bool,
    /// How many scenarios run at once [default: the number of processors]
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// Go on with further scenarios after one did not pass
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// All scenarios skipped ends with 0
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// How long one scenario may take on the wall clock (`90s`, `10m`) [default: twice its budget and two minutes]
    #[arg(long, value_parser = duration)]
    pub(crate) wall_limit: Option<Duration>,
    /// Put the run's files exactly there [default: `.fleetproof/runs/<run id>`]
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Start the reference platform with this defect
    #[arg(long, value_name = "NAME")]
    pub(crate) seeded_defect: Option<String>,
    /// Start it so only for the first run of a scenario: what a retry makes of a flaky platform
    #[arg(long, requires = "seeded_defect")]
    pub(crate) first_run_only: bool,
    /// What is printed on standard output: nothing, or the report as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) paths: Paths,
    /// The seed of every choice [default: 1]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Print every attempt
    #[arg(long)]
    pub(crate) attempts: bool,
    /// Print only what the seed decides, for a program: scenario, choice and value, with tabs between
    #[arg(long, conflicts_with = "attempts")]
    pub(crate) choices: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Defects {
    /// Print names only, a line each
    #[arg(long)]
    pub(crate) names: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A scenario whose `platform:` part is set up [default: a provider and one tenant called `demo`]
    pub(crate) file: Option<PathBuf>,
    /// Where users and devices come in
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where users and devices come in with TLS [default: the same address, any port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_https: Option<SocketAddr>,
    /// Where devices connect by MQTT with a certificate [default: the same address, any port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_mqtt: Option<SocketAddr>,
    /// Keep all of it in this folder, and go on with what is there [default: in memory, gone at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Start the platform with this defect
    #[arg(long, value_name = "NAME")]
    pub(crate) seeded_defect: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Runs' folders, run ids, or `latest`; several are the shards of one run
    #[arg(default_value = "latest", value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// As JUnit XML
    #[arg(long, group = "kind")]
    pub(crate) junit: bool,
    /// As markdown, for a pull request or a job's summary
    #[arg(long, group = "kind")]
    pub(crate) markdown: bool,
    /// As JSON
    #[arg(long, group = "kind")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A run's folder, a run id, or `latest`
    #[arg(default_value = "latest")]
    pub(crate) run: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    Virtual,
    Real,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// One of several parts, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) number: usize,
    pub(crate) of: usize,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err(format!("`{text}` is no part of a whole: write `2/5` for the second of five")),
    }
}

/// A duration as the language writes it: a whole number and `ms`, `s`, `m` or `h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no duration: write `90s` or `10m`"))?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(format!("`{text}` has no unit: write `90s` or `10m`")),
    };
    milliseconds.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn shards_are_parts_of_a_whole() {
        assert_eq!(shard("2/5"), Ok(Shard { number: 2, of: 5 }));
        for none in ["", "2", "0/5", "6/5", "1/0", "-1/2", "1/2/3", "a/b"] {
            assert!(shard(none).is_err(), "{none}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("90").is_err());
        assert!(duration("s").is_err());
        assert!(duration("99999999999999999999s").is_err());
        assert!(duration("18446744073709551615h").is_err());
    }
}
