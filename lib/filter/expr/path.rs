//! Paths outside expressions: `time`, `.flow.type`, `kvps[0].value`, `."odd name"`.

use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Path};

use super::{fast::step, parse};
use crate::json::fields::Step;

/// The steps of a path as jq spells it, with or without the first dot; in words
/// what is wrong with it otherwise.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let example = "a path looks like flow.type, kvps[0].value or .\"odd name\"";
    let dotted = match text.trim() {
        "" | "." => return Err(example.to_owned()),
        text if text.starts_with('.') => text.to_owned(),
        text => format!(".{text}"),
    };
    let Ok(Term::Path(from, Path(parts))) = parse::parse(&dotted) else {
        return Err(example.to_owned());
    };
    if !matches!(*from, Term::Id) {
        return Err(example.to_owned());
    }
    let steps = parts.iter().map(|(part, opt)| match opt {
        Opt::Essential => step(part).map_err(|outside| format!("{} is not possible", outside.0)),
        Opt::Optional => Err("it needs no ?: what is not there is null".to_owned()),
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_indices() {
        let name = |name: &str| Step::Name(name.to_owned());
        for (text, steps) in [
            ("time", vec![name("time")]),
            (".flow.type", vec![name("flow"), name("type")]),
            (
                "kvps[0].value",
                vec![name("kvps"), Step::Index(0), name("value")],
            ),
            (".\"odd name\"", vec![name("odd name")]),
            (".[\"a.b\"]", vec![name("a.b")]),
        ] {
            assert_eq!(parse(text), Ok(steps), "{text}");
        }
        for text in [
            "", ".", "a b", "a,b", ".a | .b", ".[]", ".a[-1]", ".a[1:]", ".a?", "$x.a", "a.",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
