//! Random draws that depend on their place alone: the same call gets the same luck in every lane.

/// What a draw is for; draws for different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Arrival,
    Client,
    Service,
    Straggler,
    Correlated,
    Server,
    Fault,
    Twin,
}

/// A short stream of random numbers. SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The stream of attempt `attempt` of call `call` of layer `layer`.
    pub(crate) fn at(seed: u64, purpose: Purpose, layer: usize, call: u64, attempt: u32) -> Self {
        let place = (layer as u64) << 48 | u64::from(attempt) << 32 | purpose as u64;
        Self(mix(mix(seed ^ mix(place)) ^ call))
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly spread over (0, 1].
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability comes true.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() <= probability
    }

    /// Evenly spread over 0..`n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The high half of the product: biased by n / 2^64.
        #[expect(clippy::cast_possible_truncation, reason = "smaller than n")]
        {
            ((u128::from(self.word()) * n as u128) >> 64) as usize
        }
    }

    /// Mean 0, deviation 1. Box and Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_place_and_nothing_else() {
        let first =
            |purpose, layer, call, attempt| Draw::at(7, purpose, layer, call, attempt).word();
        let here = first(Purpose::Service, 1, 5, 2);
        assert_eq!(here, first(Purpose::Service, 1, 5, 2));
        for other in [
            first(Purpose::Server, 1, 5, 2),
            first(Purpose::Service, 0, 5, 2),
            first(Purpose::Service, 1, 6, 2),
            first(Purpose::Service, 1, 5, 3),
            Draw::at(8, Purpose::Service, 1, 5, 2).word(),
        ] {
            assert_ne!(here, other);
        }
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        let n = 100_000;
        let mut sums = [0.0; 3];
        for call in 0..n {
            let mut draw = Draw::at(1, Purpose::Service, 0, call, 0);
            sums[0] += draw.unit();
            let normal = draw.normal();
            sums[1] += normal;
            sums[2] += normal * normal;
        }
        let [unit, mean, square] = sums.map(|sum| sum / n as f64);
        assert!((unit - 0.5).abs() < 0.005, "{unit}");
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }
}
