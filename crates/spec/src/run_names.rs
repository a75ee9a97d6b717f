//! Names for runs that were started without one: an adjective, an animal and a number.
//!
//! The words are those that MLflow users know, so that the tables of both look alike.

use crate::random::IdSource;

const LONGEST: usize = 20;

/// A name such as `gregarious-bass-44`, at most 20 characters long.
pub fn random_run_name(ids: &dyn IdSource) -> String {
    let mut name = String::new();
    for _ in 0..10 {
        name = format!(
            "{}-{}-{}",
            pick(ids, ADJECTIVES),
            pick(ids, ANIMALS),
            ids.below(1_000)
        );
        if name.len() <= LONGEST {
            return name;
        }
    }
    name.truncate(LONGEST);
    name
}

fn pick(ids: &dyn IdSource, words: &[&'static str]) -> &'static str {
    let index = ids.below(words.len() as u64);
    words.get(index as usize).copied().unwrap_or("run")
}

#[rustfmt::skip]
const ANIMALS: &[&str] = &[
    "ant", "ape", "asp", "auk", "bass", "bat", "bear", "bee", "bird", "boar", "bug", "calf", "carp", "cat",
    "chimp", "cod", "colt", "conch", "cow", "crab", "crane", "croc", "crow", "cub", "deer", "doe", "dog",
    "dolphin", "donkey", "dove", "duck", "eel", "elk", "fawn", "finch", "fish", "flea", "fly", "foal", "fowl",
    "fox", "frog", "gnat", "gnu", "goat", "goose", "grouse", "grub", "gull", "hare", "hawk", "hen", "hog",
    "horse", "hound", "jay", "kit", "kite", "koi", "lamb", "lark", "loon", "lynx", "mare", "midge", "mink",
    "mole", "moose", "moth", "mouse", "mule", "newt", "owl", "ox", "panda", "penguin", "perch", "pig", "pug",
    "quail", "ram", "rat", "ray", "robin", "roo", "rook", "seal", "shad", "shark", "sheep", "shoat", "shrew",
    "shrike", "shrimp", "skink", "skunk", "sloth", "slug", "smelt", "snail", "snake", "snipe", "sow",
    "sponge", "squid", "squirrel", "stag", "steed", "stoat", "stork", "swan", "tern", "toad", "trout",
    "turtle", "vole", "wasp", "whale", "wolf", "worm", "wren", "yak", "zebra",
];

#[rustfmt::skip]
const ADJECTIVES: &[&str] = &[
    "able", "abrasive", "abundant", "adaptable", "adorable", "adventurous", "aged", "agreeable", "amazing",
    "ambitious", "amusing", "angry", "auspicious", "awesome", "bald", "beautiful", "bedecked", "bemused",
    "big", "bittersweet", "blushing", "bold", "bouncy", "brawny", "bright", "burly", "bustling", "calm",
    "capable", "capricious", "carefree", "caring", "casual", "charming", "chill", "classy", "clean", "clumsy",
    "colorful", "crawling", "dapper", "dashing", "dazzling", "debonair", "defiant", "delicate", "delightful",
    "efficient", "enchanting", "entertaining", "enthused", "exultant", "fearless", "flawless", "fortunate",
    "fun", "funny", "gaudy", "gentle", "gifted", "glamorous", "grandiose", "gregarious", "handsome",
    "hilarious", "honorable", "illustrious", "incongruous", "indecisive", "industrious", "inquisitive",
    "intelligent", "intrigued", "invincible", "judicious", "kindly", "languid", "learned", "legendary",
    "likeable", "loud", "luminous", "luxuriant", "lyrical", "magnificent", "marvelous", "masked", "melodic",
    "merciful", "mercurial", "monumental", "mysterious", "nebulous", "nervous", "nimble", "nosy",
    "omniscient", "orderly", "overjoyed", "painted", "peaceful", "persistent", "placid", "polite", "popular",
    "powerful", "puzzled", "rambunctious", "rare", "rebellious", "receptive", "redolent", "resilient",
    "respected", "righteous", "rogue", "rumbling", "salty", "sassy", "secretive", "sedate", "selective",
    "serious", "shivering", "silent", "sincere", "skillful", "skittish", "smiling", "sneaky", "sophisticated",
    "spiffy", "stately", "stylish", "suave", "tasteful", "thoughtful", "thundering", "traveling", "treasured",
    "trusting", "unequaled", "unique", "unleashed", "unruly", "upbeat", "upset", "useful", "valuable",
    "vaunted", "victorious", "welcoming", "whimsical", "wise", "wistful", "worried", "youthful", "zealous",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededIds;

    #[test]
    fn names_are_short_and_of_three_parts() {
        let ids = SeededIds::new(1);
        for _ in 0..200 {
            let name = random_run_name(&ids);
            assert!(name.len() <= LONGEST, "{name}");
            assert!(name.is_ascii() && name.contains('-'), "{name}");
        }
        assert_eq!(
            random_run_name(&SeededIds::new(2)),
            random_run_name(&SeededIds::new(2))
        );
    }
}
