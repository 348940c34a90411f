//! The command line: arguments, the survey of a platform, progress, exit codes; nothing else.

mod args;
mod catalogues;
mod check;
mod clean;
mod error;
mod files;
mod label;
mod plan;
mod progress;
mod replay;
mod report;
mod run;
mod serve;
mod signals;
mod simulate;
mod survey;

use args::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Schema => catalogues::schema(),
        Command::Claims => catalogues::claims(),
        Command::Defects(arguments) => catalogues::defects(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Label(arguments) => label::label(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Clean => clean::clean(),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
