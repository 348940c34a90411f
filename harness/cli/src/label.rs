//! `label`: what is stuck on a device, so that whoever holds it can claim it at the Device Lobby.
//!
//! Who runs the lobby has the text of each label, with the code that proves that somebody saw it. Of a certificate alone the QR code
//! says its fingerprint, in 64 small hexadecimal digits: as the lobby of AWS's blueprint has it, and proof of nothing.

use crate::args::Label;
use crate::error::{CliError, Result};
use fleetproof_world::tls::Certificate;
use std::path::Path;

/// How the texts of labels begin.
const SCHEME: &str = "fleetproof:";

/// Digits of a fingerprint.
const DIGITS: usize = 64;

/// Draws a device's QR code.
pub(crate) fn label(arguments: &Label) -> Result<u8> {
    let drawing = drawn(&text(&arguments.device)?)?;
    match &arguments.output {
        None => anstream::print!("{drawing}"),
        Some(file) => std::fs::write(file, drawing)
            .map_err(|error| CliError::Broken(format!("{} cannot be written: {error}", file.display())))?,
    }
    Ok(0)
}

/// The label or the fingerprint that is given, or the fingerprint of the certificate in the file that is named.
fn text(device: &str) -> Result<String> {
    if device.starts_with(SCHEME) {
        return Ok(device.to_owned());
    }
    if let Some(given) = given(device) {
        return Ok(given);
    }
    let file = Path::new(device);
    let text = std::fs::read_to_string(file).map_err(|error| {
        let help =
            "give the text of its label, its fingerprint (64 hexadecimal digits), or a file with its certificate (PEM)";
        CliError::Invalid(format!(
            "{device} is no label and no fingerprint, and cannot be read as a file: {error}; {help}"
        ))
    })?;
    let read = Certificate::from_pem(&text);
    let read = read.map_err(|error| CliError::Invalid(format!("{device} holds no certificate: {error}")))?;
    Ok(read.fingerprint())
}

/// A fingerprint as people copy it: in capitals, or with a colon after each byte, as OpenSSL prints it.
fn given(text: &str) -> Option<String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let is_one = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then_some(digits)
}

fn drawn(fingerprint: &str) -> Result<String> {
    fleetproof_devices::label(fingerprint).map_err(|error| CliError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_fingerprint_is_taken_as_people_copy_it() {
        let capitals = PRINT.to_ascii_uppercase();
        let bytes: Vec<&str> = (0..DIGITS / 2).map(|at| &capitals[2 * at..2 * at + 2]).collect();
        for text in [PRINT, &capitals, &bytes.join(":")] {
            assert_eq!(given(text).as_deref(), Some(PRINT), "{text}");
        }
        assert_eq!((given(&PRINT[1..]), given("device.crt")), (None, None));
    }

    #[test]
    fn what_is_neither_says_what_to_do() {
        let told = text("nowhere.crt").unwrap_err();
        assert_eq!(told.exit_code(), 2);
        assert!(told.to_string().contains("64 hexadecimal digits"), "{told}");
    }
}
