//! `run`: plans every scenario, runs each on a thread of its own, writes the run's folder, reports.

use crate::args::{Clock, Format, Run as Arguments, Shard};
use crate::error::{CliError, Result};
use crate::files::{self, Library};
use crate::progress::Progress;
use crate::{signals, survey};
use fleetproof_engine::Settings;
use fleetproof_journal::{Journal, Lenience, RunFacts, RunFolder, Secret, Secrets, Verdict};
use fleetproof_language::{Diagnostic, FileId, Sources, Var};
use fleetproof_plan::{ClockKind, Orders as Wanted, Plan, plans};
use fleetproof_reports::{Colour, Report, json, junit, terminal};
use fleetproof_world::{Seeds, World};
use rand::RngCore;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a scenario may take on the wall clock when nobody says: twice its budget of 5 minutes, and two minutes.
const WALL_LIMIT: Duration = Duration::from_secs(12 * 60);

/// How long a scenario that was told to end may take to release what it holds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A scenario that is to be run.
pub(crate) struct Job {
    /// What will happen.
    pub(crate) plan: Arc<Plan>,
    /// Where it stands.
    pub(crate) file: FileId,
    /// The values of its variables that the environment holds.
    pub(crate) secrets: BTreeMap<String, Secret>,
}

/// How jobs are run.
pub(crate) struct Orders {
    pub(crate) defect: Option<String>,
    pub(crate) wall_limit: Duration,
    pub(crate) jobs: usize,
    pub(crate) keep_going: bool,
    /// How often a scenario that did not pass is run again, on the real clock.
    pub(crate) retries: u32,
    /// The defect is planted for the first run of a scenario only.
    pub(crate) first_run_only: bool,
    pub(crate) stop: CancellationToken,
}

/// What became of a job: its verdict and its journal.
pub(crate) struct Ended {
    pub(crate) verdict: Verdict,
    pub(crate) journal: Vec<u8>,
}

/// Runs scenarios. The exit code is that of the worst verdict.
pub(crate) fn run(arguments: &Arguments) -> Result<u8> {
    let library = files::read(&arguments.paths.paths)?;
    if !library.mistakes.is_empty() {
        files::show_mistakes(&library);
        return Ok(Verdict::Invalid.exit_code());
    }
    let seed = arguments.seed.unwrap_or_else(|| Seeds::from_system().stream("seed").next_u64() % 1_000_000);
    let clock = match arguments.clock {
        Clock::Virtual => ClockKind::Virtual,
        Clock::Real => ClockKind::Real,
    };
    let (mut jobs, mistakes) = plan(&library, &arguments.tag, (seed, arguments.seed.is_some()), clock)?;
    if !mistakes.is_empty() {
        files::show_mistakes(&Library { mistakes, ..library });
        return Ok(Verdict::Invalid.exit_code());
    }
    if jobs.is_empty() {
        return Err(CliError::Invalid("no scenario found: folders stand for every `*.yaml` below them".to_owned()));
    }
    if let Some(shard) = arguments.shard {
        let all = jobs.len();
        jobs = part(jobs, shard);
        anstream::eprintln!("shard {} of {}: {} of {all} scenarios", shard.number, shard.of, jobs.len());
    }
    known_defect(arguments.seeded_defect.as_deref())?;
    let folder = folder(arguments.report.as_deref())?;
    let stop = signals::first_cancels()?;
    anstream::eprintln!("seed {seed}");
    let mut facts = facts(&folder);
    folder.write_facts(&facts)?;
    let began = World::serving().clock;
    let orders = Orders {
        defect: arguments.seeded_defect.clone(),
        wall_limit: arguments.wall_limit.unwrap_or(WALL_LIMIT),
        jobs: arguments.jobs.unwrap_or_else(processors).max(1),
        keep_going: arguments.keep_going,
        retries: arguments.retries,
        first_run_only: arguments.first_run_only,
        stop,
    };
    let ended = run_all(&library.sources, jobs, &orders, Some(&folder))?;

    let journal = fleetproof_journal::join(ended.values().map(|ended| ended.journal.as_slice()));
    folder.write(&folder.journal(), &journal)?;
    let report = Report::read(&String::from_utf8_lossy(&journal))?;
    let lenience = Lenience { flaky: arguments.allow_flaky, empty: arguments.allow_empty };
    // A shard may be left without a scenario; then all that it has was skipped.
    let none = ended.is_empty().then_some(Verdict::Skipped);
    let verdicts = ended.values().map(|ended| ended.verdict).chain(none);
    let code = fleetproof_journal::exit_code(verdicts, lenience);
    facts.took_ms = Some(began.now().micros() / 1_000);
    facts.exit_code = Some(code);
    folder.write_facts(&facts)?;
    folder.write(&folder.junit(), junit(&report).as_bytes())?;
    let text = serde_json::to_string_pretty(&json(&report, Some(&facts)))
        .map_err(|error| CliError::Broken(error.to_string()))?;
    folder.write(&folder.report(), text.as_bytes())?;
    if arguments.format == Format::Json {
        anstream::println!("{text}");
    }
    anstream::eprint!("{}", terminal(&report, Colour::Always));
    anstream::eprintln!("journal and reports: {}", folder.root().display());
    Ok(code)
}

/// Plans every combination of every scenario that bears one of `tags` (all, when there are none). `seed`: and whether it was
/// asked for. Values that only this seed draws may be wrong: then these mistakes come back.
pub(crate) fn plan(
    library: &Library,
    tags: &[String],
    (seed, seed_given): (u64, bool),
    clock: ClockKind,
) -> Result<(Vec<Job>, Vec<Diagnostic>)> {
    let survey = survey::embedded()?;
    let (capabilities, surfaces) = (survey.capabilities, survey.surfaces);
    let orders = Wanted { capabilities, surfaces, seed, seed_given, stack: "embedded", clock };
    let (mut jobs, mut mistakes) = (Vec::new(), Vec::new());
    for script in &library.scripts {
        if tags.is_empty() || script.scenario().tags.iter().any(|tag| tags.contains(&tag.value)) {
            match plans(script, &library.sources, &orders) {
                Ok(plans) => jobs.extend(plans.into_iter().map(|plan| Job::new(plan, script.file()))),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
    }
    Ok((jobs, mistakes))
}

impl Job {
    /// A job with the secrets of its variables, as the environment has them; where it has not, the job is skipped.
    pub(crate) fn new(mut plan: Plan, file: FileId) -> Self {
        let mut secrets = BTreeMap::new();
        for (name, var) in plan.scenario.clone().vars.iter() {
            let Var::Secret(variable) = &var.value else { continue };
            match std::env::var(&variable.value) {
                Ok(value) if !value.is_empty() => drop(secrets.insert(name.value.clone(), Secret::new(value))),
                _ => {
                    let reason =
                        format!("the environment has no `{}`, from which `{}` is taken", variable.value, name.value);
                    plan.skipped.get_or_insert(reason);
                }
            }
        }
        Self { plan: Arc::new(plan), file, secrets }
    }
}

/// The scenarios of one shard: dealt out in the order of their names, so that each has its own and all together have all.
fn part(mut jobs: Vec<Job>, shard: Shard) -> Vec<Job> {
    jobs.sort_by(|one, other| one.plan.scenario.scenario.value.cmp(&other.plan.scenario.scenario.value));
    let dealt = jobs.into_iter().enumerate().filter(|(index, _)| index % shard.of + 1 == shard.number);
    dealt.map(|(_, job)| job).collect()
}

/// Runs all jobs, several at once; what became of each is sorted by name, whichever ended first.
pub(crate) fn run_all(
    sources: &Arc<Sources>,
    jobs: Vec<Job>,
    orders: &Orders,
    folder: Option<&RunFolder>,
) -> Result<BTreeMap<String, Ended>> {
    let (next, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ended: Mutex<BTreeMap<String, Ended>> = Mutex::default();
    let failure: Mutex<Option<CliError>> = Mutex::default();
    let progress = Progress::new(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..orders.jobs.min(jobs.len()) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if halted.load(Ordering::Relaxed) || orders.stop.is_cancelled() {
                        return;
                    }
                    let name = job.plan.scenario.scenario.value.clone();
                    match run_one(sources, job, orders, folder, &progress) {
                        Ok(one) => {
                            if !orders.keep_going
                                && !matches!(one.verdict, Verdict::Passed | Verdict::Skipped | Verdict::Flaky)
                            {
                                halted.store(true, Ordering::Relaxed);
                            }
                            ended.lock().unwrap_or_else(PoisonError::into_inner).insert(name, one);
                        }
                        Err(error) => {
                            halted.store(true, Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    progress.finish();
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs a scenario, and again while that may change something. The journals of all its runs are kept.
fn run_one(
    sources: &Arc<Sources>,
    job: &Job,
    orders: &Orders,
    folder: Option<&RunFolder>,
    progress: &Progress,
) -> Result<Ended> {
    let name = &job.plan.scenario.scenario.value;
    let own = folder.map(|folder| folder.scenario(name)).transpose()?;
    if let (Some(folder), Some(own)) = (folder, &own) {
        folder.write(&own.join("scenario.yaml"), sources.text(job.file).as_bytes())?;
        for (path, text) in sources.fragments_of(job.file) {
            folder.write(&folder.fragment(name, path)?, text.as_bytes())?;
        }
    }
    let (mut verdicts, mut journals) = (Vec::new(), Vec::new());
    loop {
        let secrets = Secrets::new();
        let journal = match &own {
            Some(own) => Journal::create(secrets.clone(), &own.join("run.jsonl"))?,
            None => Journal::in_memory(secrets.clone()),
        };
        let watching = progress.begin(name, &journal);
        let settings = Settings {
            defect: orders.defect.clone().filter(|_| verdicts.is_empty() || !orders.first_run_only),
            secrets: job.secrets.clone(),
            stop: orders.stop.child_token(),
            overdue: CancellationToken::new(),
        };
        let verdict =
            guarded(job.plan.clone(), sources.clone(), journal.clone(), secrets, &settings, orders.wall_limit)?;
        journals.push(journal.finish()?);
        progress.end(watching, name, verdict);
        let again =
            !orders.stop.is_cancelled() && is_run_again(verdict, verdicts.len(), job.plan.clock, orders.retries);
        verdicts.push(verdict);
        if !again {
            break;
        }
        if let Some(own) = &own {
            let (last, kept) = (own.join("run.jsonl"), own.join(format!("run-{}.jsonl", verdicts.len())));
            std::fs::rename(&last, &kept).map_err(|error| CliError::Broken(format!("{}: {error}", kept.display())))?;
        }
    }
    let verdict = Verdict::of_retries(&verdicts).unwrap_or(Verdict::Broken);
    Ok(Ended { verdict, journal: fleetproof_journal::join(journals.iter().map(Vec::as_slice)) })
}

/// Whether a scenario that ended so after `runs` earlier ones is run again. In virtual time the same would come once more. What
/// the surroundings broke is tried a second time without being asked.
fn is_run_again(verdict: Verdict, runs: usize, clock: ClockKind, retries: u32) -> bool {
    let most = match verdict {
        Verdict::Failed | Verdict::Inconclusive => retries,
        Verdict::Broken => retries.max(1),
        Verdict::Passed | Verdict::Invalid | Verdict::Flaky | Verdict::Skipped | Verdict::Interrupted => 0,
    };
    clock == ClockKind::Real && runs < most as usize
}

/// Runs on a thread of its own under a watchdog. A run that does not end when it is told to cannot be released: that is
/// an error of the whole command.
fn guarded(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    journal: Journal,
    secrets: Secrets,
    settings: &Settings,
    limit: Duration,
) -> Result<Verdict> {
    let broken = |reason: String| CliError::Broken(reason);
    let (done, waiting) = mpsc::channel();
    let theirs = settings.clone();
    let name = plan.scenario.scenario.value.clone();
    std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            let verdict = fleetproof_engine::run(plan, sources, journal, secrets, &theirs);
            // Nobody waits any more when the watchdog gave up.
            let _: std::result::Result<(), _> = done.send(verdict);
        })
        .map_err(|error| broken(format!("no thread for `{name}`: {error}")))?;
    if let Ok(verdict) = waiting.recv_timeout(limit) {
        return Ok(verdict);
    }
    settings.overdue.cancel();
    waiting.recv_timeout(PATIENCE).map_err(|_| {
        broken(format!("`{name}` took more than {}s and did not end when it was told to", limit.as_secs()))
    })
}

fn known_defect(name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    match fleetproof_platform::defects::find(name) {
        Some(_) => Ok(()),
        None => Err(CliError::Invalid(format!("no seeded defect is called `{name}`: `fleetproof defects` lists them"))),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn folder(exactly: Option<&Path>) -> Result<RunFolder> {
    let folder = match exactly {
        Some(path) => RunFolder::create_at(path)?,
        None => {
            let started = World::serving().clock.rfc3339().replace([':', '.'], "-");
            let unique = Seeds::from_system().stream("run").next_u32();
            RunFolder::create(Path::new("."), &format!("{started}-{unique:08x}"))?
        }
    };
    // What an earlier run with the same `--report` held is no part of this one.
    for old in [folder.journal(), folder.junit(), folder.report()] {
        match std::fs::remove_file(&old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CliError::Broken(format!("{}: {error}", old.display())));
            }
            _ => {}
        }
    }
    Ok(folder)
}

fn facts(folder: &RunFolder) -> RunFacts {
    let run = folder.root().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host = std::fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned()).unwrap_or_default();
    RunFacts {
        run,
        started: World::serving().clock.rfc3339(),
        took_ms: None,
        host,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: blake3::hash(fleetproof_language::schema().to_string().as_bytes()).to_hex()[..16].to_owned(),
        command: std::env::args().collect(),
        exit_code: None,
    }
}
