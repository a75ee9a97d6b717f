//! Randomness as a parameter.
//!
//! Ids, keys and tokens come from an [`IdSource`]; only [`SystemIds`] asks the operating system.
//! [`SeededIds`] makes a test's ids the same in every run.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Where random bytes come from.
pub trait IdSource: Send + Sync + fmt::Debug {
    /// Fills the buffer with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// A random (version 4) UUID as 32 hexadecimal digits: MLflow's run id form.
    fn uuid_hex(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        hex::encode(bytes)
    }

    /// The same with dashes, as Azure shows ids.
    fn uuid(&self) -> String {
        let plain = self.uuid_hex();
        format!(
            "{}-{}-{}-{}-{}",
            &plain[..8],
            &plain[8..12],
            &plain[12..16],
            &plain[16..20],
            &plain[20..]
        )
    }

    /// A number below `bound` (0 for a bound of 0).
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0_u8; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }

    /// A secret of 256 bits as 64 hexadecimal digits.
    fn secret_hex(&self) -> String {
        let mut bytes = [0_u8; 32];
        self.fill(&mut bytes);
        hex::encode(bytes)
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(
            clippy::disallowed_methods,
            clippy::expect_used,
            reason = "the one place that reads randomness; without it no secret can be made, and going on would be worse"
        )]
        getrandom::fill(buffer).expect("the operating system's random generator answers");
    }
}

/// A reproducible stream: SHA-256 of a seed and a counter. For tests only.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    counter: AtomicU64,
}

impl SeededIds {
    /// A stream that is the same for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: AtomicU64::new(0),
        }
    }
}

impl IdSource for SeededIds {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let turn = self.counter.fetch_add(1, Ordering::SeqCst);
            let mut hasher = Sha256::new();
            hasher.update(self.seed.to_le_bytes());
            hasher.update(turn.to_le_bytes());
            let block = hasher.finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_ids_repeat_and_differ() {
        let (one, two) = (SeededIds::new(7), SeededIds::new(7));
        let first = one.uuid_hex();
        assert_eq!(first, two.uuid_hex());
        assert_ne!(first, one.uuid_hex());
        assert_eq!(first.len(), 32);
        assert_eq!(&first[12..13], "4");
    }

    #[test]
    fn system_ids_do_not_repeat() {
        assert_ne!(SystemIds.uuid_hex(), SystemIds.uuid_hex());
        assert_eq!(SystemIds.uuid().len(), 36);
        assert!(SystemIds.below(3) < 3);
        assert_eq!(SystemIds.below(0), 0);
    }
}
