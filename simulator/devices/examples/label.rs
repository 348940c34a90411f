//! Prints a device's label: `cargo run -p fleetproof-devices --example label -- TEXT > label.svg`.

use fleetproof_devices::label;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("give the text that the label shall carry")?;
    print!("{}", label(&text)?);
    Ok(())
}
