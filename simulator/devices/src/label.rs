//! What sticks on a device: its lobby text as a QR code (ISO/IEC 18004), drawn as SVG.
//!
//! The text is taken as it is: what it says is a matter between the lobby and who scans.

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};
use std::fmt;
use std::fmt::Write;

/// Modules of white around the code (ISO/IEC 18004, section 6.3.8).
const QUIET: i32 = 4;

/// The number of UTF-8 among the encodings of QR codes.
const UTF_8: u32 = 26;

/// Why a text gets no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// There is no text: a scanner would find a code and read nothing.
    Empty,
    /// The text has so many bytes; no QR code of level M holds it (2,331 bytes are the most).
    TooLong(usize),
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a label needs a text"),
            Self::TooLong(bytes) => {
                write!(f, "{bytes} bytes do not fit a QR code: a label holds 2331 bytes, fewer where it is not ASCII")
            }
        }
    }
}

impl std::error::Error for LabelError {}

/// A device's label: the text as a QR code of error correction level M (it reads with 15 % of it damaged), with its quiet
/// zone, as an SVG document. One unit of the drawing is one module; print it at 0.4 mm a module or more. The same text
/// gives the same bytes.
///
/// # Errors
/// [`LabelError`].
pub fn label(text: &str) -> Result<String, LabelError> {
    if text.is_empty() {
        return Err(LabelError::Empty);
    }
    let code =
        QrCode::encode_segments_advanced(&segments(text), QrCodeEcc::Medium, Version::MIN, Version::MAX, None, false)
            .map_err(|_| LabelError::TooLong(text.len()))?;
    Ok(draw(&code))
}

/// What is not ASCII says that it is UTF-8 (ECI 26): scanners guess otherwise.
fn segments(text: &str) -> Vec<QrSegment> {
    let mut segments = QrSegment::make_segments(text);
    if !text.is_ascii() {
        segments.insert(0, QrSegment::make_eci(UTF_8));
    }
    segments
}

/// Runs of black modules of a row become one piece of a single path.
fn draw(code: &QrCode) -> String {
    let (size, side) = (code.size(), code.size() + 2 * QUIET);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\""
    );
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let run = (x..size).take_while(|x| code.get_module(*x, y)).count();
            let run = i32::try_from(run).unwrap_or(0);
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(svg, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run + 1;
        }
    }
    svg.push_str("\"/></svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The modules that a drawing blackens, row by row, quiet zone included.
    fn blackened(svg: &str) -> Vec<Vec<bool>> {
        let side: usize = svg.split_once("viewBox=\"0 0 ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        let mut rows = vec![vec![false; side]; side];
        let path = svg.rsplit_once("<path d=\"").unwrap().1.split('"').next().unwrap();
        for run in path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (run, back) = rest.split_once("v1h-").unwrap();
            assert_eq!(back, format!("{run}z"), "each run is closed");
            let (x, y, run): (usize, usize, usize) = (x.parse().unwrap(), y.parse().unwrap(), run.parse().unwrap());
            for module in &mut rows[y][x..x + run] {
                assert!(!std::mem::replace(module, true), "drawn once");
            }
        }
        rows
    }

    proptest! {
        /// What is drawn is the code, within a zone of four white modules.
        #[test]
        fn every_module_is_drawn(text in "[ -~ü€]{1,300}") {
            let rows = blackened(&label(&text).unwrap());
            let mut segments = vec![QrSegment::make_eci(26)];
            segments.extend(QrSegment::make_segments(&text));
            let code = QrCode::encode_segments_advanced(
                &segments[usize::from(text.is_ascii())..], QrCodeEcc::Medium, Version::MIN, Version::MAX, None, false).unwrap();
            prop_assert_eq!(rows.len(), usize::try_from(code.size() + 8).unwrap());
            for (y, row) in rows.iter().enumerate() {
                for (x, black) in row.iter().enumerate() {
                    let at = |n: usize| i32::try_from(n).unwrap() - 4;
                    prop_assert_eq!(*black, code.get_module(at(x), at(y)), "{},{}", x, y);
                }
            }
        }

        #[test]
        fn any_text_gets_a_label_or_an_error(text: String) {
            let _ = label(&text);
        }
    }

    #[test]
    fn level_m_is_written_in_the_code() {
        // Beside the upper left finder stand the format bits: the level is the first two, masked by 10. M is 00.
        let rows = blackened(&label("fleetproof").unwrap());
        let at = |x: usize| rows[QUIET as usize + 8][QUIET as usize + x];
        assert_eq!((at(0), at(1)), (true, false));
    }

    #[test]
    fn what_cannot_be_printed_is_refused() {
        assert_eq!(label(""), Err(LabelError::Empty));
        assert!(label(&"a".repeat(2_331)).is_ok());
        assert_eq!(label(&"a".repeat(2_332)), Err(LabelError::TooLong(2_332)));
    }

    #[test]
    fn a_fingerprint_fits_a_small_code() {
        let svg = label(&"0123456789abcdef".repeat(4)).unwrap();
        assert!(svg.contains("viewBox=\"0 0 45 45\""), "version 5, 37 modules and the quiet zone: {}", &svg[..120]);
    }
}
