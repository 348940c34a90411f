//! What is stuck on a device, read by `zbarimg` as a telephone would; and what the lobby makes of what was read.

use crate::bench::referee;
use crate::mqtt::Device;
use crate::process::{run, said};
use crate::server::{Server, program};
use std::process::Command;

const PROGRAMS: &[&str] = &["zbarimg", "rsvg-convert", "openssl"];

#[test]
fn referee_zbarimg_reads_the_label_of_a_device() {
    referee("label", PROGRAMS, async |bench| {
        let server = Server::start(bench);
        let device = Device::told(bench, &server);
        let (drawing, picture) = (bench.text("label.svg"), bench.text("label.png"));
        let drawn = run(Command::new(program()).args(["label", &device.certificate, "--output", &drawing]));
        assert!(drawn.status.success(), "{}", said(&drawn));
        let painted = run(Command::new("rsvg-convert").args(["--width", "400", "--output", &picture, &drawing]));
        assert!(painted.status.success(), "{}", said(&painted));
        let read = run(Command::new("zbarimg").args(["--raw", "--quiet", "-Sdisable", "-Sqrcode.enable", &picture]));
        assert!(read.status.success(), "{}", said(&read));
        let read = String::from_utf8(read.stdout).unwrap().trim().to_owned();
        let shown = run(Command::new("openssl").args([
            "x509",
            "-in",
            &device.certificate,
            "-noout",
            "-fingerprint",
            "-sha256",
        ]));
        let fingerprint = said(&shown).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
        assert_eq!(read, fingerprint);
        server.end();
    });
}
