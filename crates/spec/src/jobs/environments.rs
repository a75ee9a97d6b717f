//! Reading a job's environment: a name or a mapping, requirements as text or as a list.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{InlineEnvironment, JobEnvironment, Requirements};

impl<'de> Deserialize<'de> for JobEnvironment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvironmentVisitor;

        impl<'de> Visitor<'de> for EnvironmentVisitor {
            type Value = JobEnvironment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the name of an environment, or a mapping with `image` and `conda_file`",
                )
            }

            fn visit_str<E>(self, value: &str) -> Result<JobEnvironment, E> {
                Ok(JobEnvironment::Reference(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<JobEnvironment, A::Error> {
                InlineEnvironment::deserialize(MapAccessDeserializer::new(access))
                    .map(|inline| JobEnvironment::Inline(Box::new(inline)))
            }
        }

        deserializer.deserialize_any(EnvironmentVisitor)
    }
}

impl<'de> Deserialize<'de> for Requirements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RequirementsVisitor;

        impl<'de> Visitor<'de> for RequirementsVisitor {
            type Value = Requirements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of requirements")
            }

            fn visit_str<E>(self, value: &str) -> Result<Requirements, E> {
                Ok(Requirements::Text(value.to_owned()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Requirements, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = access.next_element()? {
                    lines.push(line);
                }
                Ok(Requirements::Lines(lines))
            }
        }

        deserializer.deserialize_any(RequirementsVisitor)
    }
}
