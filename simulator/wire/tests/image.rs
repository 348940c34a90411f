//! The image of simulated devices, and the artifact around it.

use fleetproof_wire::artifact;
use fleetproof_wire::image::{self, ALL, DEVICE_TYPE, Image, ImageError, WRONG_DEVICE_TYPE, read, verify, write};
use proptest::prelude::*;

fn bad(word: &str, affects: u32) -> Image {
    Image { version: "v2".into(), misbehaves: Some(word.into()), seed: 7, affects }
}

proptest! {
    #[test]
    fn an_image_is_read_again_and_has_its_size(
        version in "[a-z0-9.ü\"-]{1,20}", word in proptest::option::of("[a-z_]{1,15}"),
        seed in any::<u64>(), affects in 0..=ALL, size in 0..5_000_u64,
    ) {
        prop_assume!(word.as_deref() != Some("bad_checksum"));
        let image = Image { version, misbehaves: word, seed, affects };
        let bytes = write(&image, size);
        let smallest = write(&image, 0).len() as u64;
        prop_assert_eq!(bytes.len() as u64, size.max(smallest));
        prop_assert_eq!(&read(&bytes[..smallest as usize]).unwrap(), &image);
        prop_assert_eq!(&verify(&bytes).unwrap(), &image);
    }

    #[test]
    fn a_changed_byte_of_the_filler_is_noticed(at in 0..1_000_usize, by in 1..=255_u8) {
        let image = Image::good("v2", 3);
        let mut bytes = write(&image, 2_000).to_vec();
        let from = bytes.len() - 1_000;
        bytes[from + at] ^= by;
        prop_assert_eq!(verify(&bytes), Err(ImageError::Checksum));
    }
}

#[test]
fn what_is_no_image_is_refused() {
    assert_eq!(read(b"hello"), Err(ImageError::NotAnImage));
    assert!(matches!(read(b"fleetproof-image 1\n{"), Err(ImageError::Header(_))));
    assert!(matches!(read(b"fleetproof-image 1\n{}\n"), Err(ImageError::Header(_))));
    let bytes = write(&Image::good("v2", 3), 2_000);
    assert!(matches!(verify(&bytes[..1_900]), Err(ImageError::Length(_, _))));
}

#[test]
fn the_share_of_affected_devices_is_kept() {
    let affected = |image: &Image| (0..20_000).filter(|n| image.is_affected(&format!("hvac-{n}"))).count();
    assert_eq!(affected(&bad("hangs", ALL)), 20_000);
    assert_eq!(affected(&bad("hangs", 0)), 0);
    let fifth = affected(&bad("hangs", 200_000));
    assert!((3_800..=4_200).contains(&fifth), "{fifth}");
    assert_eq!(affected(&Image::good("v2", 7)), 0, "a good image affects nobody");
}

#[test]
fn an_update_says_what_it_provides_and_whom_it_is_for() {
    let read = |image: &Image| artifact::read(&image::update_artifact("v2", image, 10_000)).unwrap();
    let good = read(&Image::good("v2", 1));
    assert_eq!((good.name.as_str(), good.payload_type()), ("v2", Some(image::PAYLOAD_TYPE)));
    assert_eq!(good.device_types, [DEVICE_TYPE]);
    assert_eq!(good.provides()[image::VERSION_PROVIDE], "v2");
    assert_eq!(good.payloads[0].files[0].content.len(), 10_000);
    assert_eq!(read(&bad("wrong_device_type", ALL)).device_types, [WRONG_DEVICE_TYPE]);
}

#[test]
fn a_bad_checksum_is_one_that_only_the_device_can_see() {
    let artifact = artifact::read(&image::update_artifact("v2", &bad("bad_checksum", ALL), 10_000)).unwrap();
    let content = &artifact.payloads[0].files[0].content;
    assert_eq!(read(content).unwrap().version, "v2");
    assert_eq!(verify(content), Err(ImageError::Checksum));
}
