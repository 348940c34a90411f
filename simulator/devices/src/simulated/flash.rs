//! Flash that counts its operations, and loses power in any one of them.

use bytes::Bytes;
use fleetproof_wire::image::{self, Image};

/// What is erased at once, in bytes.
pub(super) const PAGE: u64 = 1024;

/// What is written at once, in bytes.
pub(super) const ROW: u64 = 256;

/// What erased flash reads as.
const ERASED: u8 = 0xff;

/// The operations of a flash so far, and the one in which power goes.
#[derive(Debug, Default)]
pub(super) struct Power {
    pub done: u64,
    pub cut: Option<u64>,
}

impl Power {
    /// Does `count` operations.
    ///
    /// # Errors
    /// How many were whole when power went: the next one is torn.
    pub fn spend(&mut self, count: u64) -> Result<(), u64> {
        match self.cut {
            Some(at) if at > self.done && at - self.done <= count => {
                let whole = at - self.done - 1;
                self.done = at;
                self.cut = None;
                Err(whole)
            }
            _ => {
                self.done += count;
                Ok(())
            }
        }
    }
}

/// How many operations it takes to write `length` bytes: every page erased, every row written.
pub(super) const fn operations(length: u64) -> u64 {
    length.div_ceil(PAGE) + length.div_ceil(ROW)
}

/// One of the places an image can boot from: a shared image, and what is written of it. Only a torn
/// row is bytes of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    image: Bytes,
    /// Rows written whole, from the first.
    rows: u64,
    torn: Option<Box<[u8]>>,
}

impl Slot {
    /// A slot that was filled in the factory.
    pub fn filled(image: Bytes) -> Self {
        let rows = (image.len() as u64).div_ceil(ROW);
        Self { image, rows, torn: None }
    }

    /// Writes an image, page by page: erase, then its rows.
    ///
    /// # Errors
    /// When power goes; what was written stays, half of the row that was being written too.
    pub fn write(&mut self, image: Bytes, power: &mut Power) -> Result<(), ()> {
        let length = image.len() as u64;
        *self = Self::filled(image);
        let Err(whole) = power.spend(operations(length)) else { return Ok(()) };
        let per_page = 1 + PAGE / ROW;
        let (page, within) = (whole / per_page, whole % per_page);
        self.rows = page * (PAGE / ROW) + within.saturating_sub(1);
        if within > 0 {
            let from = usize::try_from(self.rows * ROW).unwrap_or(usize::MAX).min(self.image.len());
            let to = (from + usize::try_from(ROW / 2).unwrap_or(0)).min(self.image.len());
            self.torn = Some(self.image[from..to].into());
        }
        Err(())
    }

    /// What the bootloader reads: the image's header, when the whole image is there.
    pub fn verify(&self) -> Option<Image> {
        let written = usize::try_from(self.rows * ROW).unwrap_or(usize::MAX);
        if written >= self.image.len() {
            return image::read(&self.image).ok(); // equal to what was verified before it was written
        }
        let mut bytes = self.image[..written].to_vec();
        bytes.extend_from_slice(self.torn.as_deref().unwrap_or_default());
        bytes.resize(self.image.len(), ERASED);
        image::verify(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_64_kib_takes_320_operations() {
        assert_eq!(operations(64 * 1024), 320);
        assert_eq!((operations(0), operations(1), operations(1025)), (0, 2, 7));
    }

    #[test]
    fn a_slot_is_valid_only_after_its_last_operation() {
        let image = image::write(&Image::good("v2", 5), 3_000);
        for at in 1..=operations(3_000) {
            let mut power = Power { done: 0, cut: Some(at) };
            let mut slot = Slot::default();
            assert!(slot.write(image.clone(), &mut power).is_err());
            assert_eq!((power.done, slot.verify()), (at, None), "cut at {at}");
            assert!(slot.write(image.clone(), &mut power).is_ok(), "power is cut once");
            assert_eq!(slot.verify().unwrap().version, "v2");
        }
    }

    #[test]
    fn a_torn_row_is_half_of_what_was_to_be_written() {
        let image = image::write(&Image::good("v2", 5), 3_000);
        let mut slot = Slot::default();
        // Page 0 and its four rows, page 1, a row, and the row that is torn.
        let _ = slot.write(image.clone(), &mut Power { done: 0, cut: Some(8) });
        assert_eq!(slot.rows, 5);
        assert_eq!(slot.torn.as_deref(), Some(&image[5 * 256..5 * 256 + 128]));
    }
}
