//! Names for jobs that were given none: `adjective_noun_hash`, as Azure ML makes them.

use crate::IdSource;

/// A name such as `brave_lemon_4k2j9d0x1q`.
pub fn generate_name(ids: &dyn IdSource) -> String {
    let adjective = ADJECTIVES[ids.below(ADJECTIVES.len() as u64) as usize % ADJECTIVES.len()];
    let noun = NOUNS[ids.below(NOUNS.len() as u64) as usize % NOUNS.len()];
    let hash: String = (0..10)
        .map(|_| char::from(LETTERS[ids.below(LETTERS.len() as u64) as usize % LETTERS.len()]))
        .collect();
    format!("{adjective}_{noun}_{hash}")
}

const LETTERS: &[u8] = b"0123456789bcdfghjklmnpqrstvwxyz";

#[rustfmt::skip]
const ADJECTIVES: &[&str] = &[
    "amiable", "amber", "ashy", "blue", "bold", "brave", "bright", "calm", "clever", "cool", "coral", "crimson", "dapper", "dreamy",
    "eager", "elated", "epic", "fair", "frank", "gentle", "gifted", "good", "green", "happy", "helpful", "honest", "icy", "ivory",
    "jolly", "joyful", "keen", "kind", "khaki", "lemon", "light", "lively", "loving", "lucid", "maroon", "mellow", "modest", "neat",
    "nice", "nifty", "olden", "olive", "orange", "patient", "plucky", "polite", "proud", "quiet", "quirky", "rapid", "ready",
    "red", "rosy", "sharp", "shiny", "silver", "sincere", "smart", "spry", "stoic", "strong", "sunny", "teal", "tender", "tidy",
    "upbeat", "useful", "violet", "vivid", "warm", "wheat", "willing", "wise", "witty", "yellow", "zen",
];

#[rustfmt::skip]
const NOUNS: &[&str] = &[
    "apple", "arch", "atom", "basil", "beach", "berry", "bird", "bread", "brush", "cabbage", "candle", "cartoon", "cherry", "cloud",
    "clock", "coast", "coconut", "corn", "cup", "drum", "duck", "eagle", "engine", "feather", "fig", "flame", "forest", "garden",
    "glass", "grape", "guitar", "hamster", "hat", "heart", "island", "jackal", "jelly", "kettle", "kite", "lamp", "leaf", "lettuce",
    "lime", "lion", "lock", "machine", "mango", "map", "moon", "muscle", "music", "nail", "napkin", "neck", "oil", "onion",
    "orchid", "owl", "panda", "parcel", "peach", "pear", "pencil", "pipe", "plum", "pot", "quill", "rain", "ring", "river",
    "rocket", "root", "rose", "sail", "school", "shark", "soccer", "soup", "spade", "spoon", "square", "star", "stone", "sugar",
    "sun", "tail", "tent", "thread", "tomato", "town", "train", "tree", "turnip", "vase", "wall", "whale", "wheel", "yak", "yam",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SeededIds, names};

    #[test]
    fn names_are_valid_and_differ() {
        let ids = SeededIds::new(7);
        let made: Vec<String> = (0..200).map(|_| generate_name(&ids)).collect();
        assert!(
            made.iter()
                .all(|name| names::job(name).is_ok() && name.split('_').count() == 3)
        );
        let distinct: std::collections::BTreeSet<&String> = made.iter().collect();
        assert_eq!(distinct.len(), made.len());
    }
}
