//! The checks after a run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::site::{Site, sorted};

/// An error says what does not hold.
pub type Check = Result<(), String>;

/// No temporary file or directory is left.
pub fn tidy(root: &Path) -> Check {
    let is_temp = |name: &String| {
        [".callpipe-", "callpipe-private-"]
            .iter()
            .any(|sign| name.contains(sign))
    };
    let left: Vec<String> = files(root).into_iter().filter(is_temp).collect();
    ensure(&format!("{left:?} left behind"), left.is_empty())
}

/// An error with these words, unless it is so.
pub fn ensure(words: &str, is_so: bool) -> Check {
    if is_so { Ok(()) } else { Err(words.to_owned()) }
}

/// Every file and every empty directory below a directory, by its path from there.
pub fn files(root: &Path) -> Vec<String> {
    let name_of = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    let mut names = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        let entries = fs::read_dir(&directory).into_iter().flatten();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let (directories, others): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| path.is_dir());
        if directories.is_empty() && others.is_empty() {
            names.push(name_of(&directory) + "/");
        }
        names.extend(others.iter().map(name_of));
        todo.extend(directories);
    }
    names.sort();
    names
}

/// The files of a directory that end so and have their final name.
pub fn named(site: &Site, directory: &str, ending: &str) -> Vec<String> {
    let is_named = |name: &String| name.ends_with(ending) && !name.contains(".callpipe-");
    let names = files(&site.path(directory)).into_iter().filter(is_named);
    names.map(|name| format!("{directory}/{name}")).collect()
}

/// The lines of files.
pub fn lines(site: &Site, names: &[String]) -> Vec<String> {
    let text = |name: &String| site.read(name);
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    names.iter().map(text).flat_map(lines).collect()
}

/// Each record once and no other.
pub fn each_once(got: Vec<String>, truth: Vec<String>) -> Check {
    let (got, truth) = (sorted(got), sorted(truth));
    if got == truth {
        return Ok(());
    }
    let lost = truth
        .iter()
        .filter(|line| got.binary_search(line).is_err())
        .count();
    let strange = got
        .iter()
        .filter(|line| truth.binary_search(line).is_err())
        .count();
    let doubled = got.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Err(format!(
        "{} records instead of {}: {lost} lost, {doubled} doubled, {strange} that are none",
        got.len(),
        truth.len()
    ))
}

/// Each record at least once and no other; half a line may be among them.
pub fn each_at_least_once(got: &[String], truth: &[String]) -> Check {
    let lost = truth.iter().filter(|line| !got.contains(line)).count();
    let is_part = |line: &str| truth.iter().any(|whole| whole.starts_with(line));
    let is_record = |line: &String| {
        // Half a line, then the line that was written next.
        let mut cuts = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
        cuts.any(|at| is_part(&line[..at]) && is_part(&line[at..]))
    };
    let strange = got.iter().filter(|line| !is_record(line)).count();
    ensure(
        &format!("{lost} records lost, {strange} that are none"),
        lost + strange == 0,
    )
}

/// Every file is absent or ends with a whole line, all of them records.
pub fn whole(site: &Site, names: &[String], truth: &[String]) -> Check {
    for name in names {
        let text = site.read(name);
        let is_whole = text.is_empty() || text.ends_with('\n');
        let known = |line: &str| truth.iter().any(|whole| whole == line);
        if !is_whole || !text.lines().all(known) {
            return Err(format!("{name} is not whole"));
        }
    }
    Ok(())
}
