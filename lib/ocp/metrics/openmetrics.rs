//! The newest complete bucket of each series as OpenMetrics text, for Prometheus.
//!
//! The counts of the service are gauges, because a counter must never decrease and the count of a
//! bucket can decrease.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::catalogue;
use super::question::{FilterValue, Question};
use super::row::Observation;
use crate::error;
use crate::format::openmetrics::{escape, head_of};
use crate::os::files;
use crate::os::unnamed::{self, SpooledTempFile};
use crate::time::{Timestamp, parse_duration};

/// The samples of a metric stay in memory up to this size, in bytes.
const IN_MEMORY: usize = 1 << 20;

/// The upper borders of the histogram's buckets, in seconds.
const AGES: [u64; 11] = [
    0, 60, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800,
];

/// The flags of OpenMetrics output.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "OpenMetrics")]
pub struct OpenMetricsArgs {
    /// Write the newest complete bucket of each series to FILE, as gauges for the textfile
    /// collector of node_exporter. If node_exporter runs as another user, add --mode 644. The file
    /// is replaced as a whole after the run and after every poll. With `-` the text goes to stdout,
    /// and no rows are printed.
    #[arg(long, value_name = "FILE")]
    pub openmetrics: Option<PathBuf>,

    /// A bucket is complete for --openmetrics when it ended at least DUR ago.
    #[arg(long, value_name = "DUR", default_value = "10m", value_parser = parse_duration)]
    pub openmetrics_delay: Duration,

    /// With --openmetrics: write every bucket, with its time, for `promtool tsdb create-blocks-from
    /// openmetrics`.
    #[arg(long, requires = "openmetrics")]
    pub timestamps: bool,

    /// Exit with status 69 if there are more series than N.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_series: usize,
}

impl OpenMetricsArgs {
    /// Whether the text goes to stdout.
    pub fn is_stdout(&self) -> bool {
        self.openmetrics.as_deref() == Some(Path::new("-"))
    }
}

/// The data for the next OpenMetrics text.
#[derive(Debug)]
pub struct OpenMetrics {
    temp_dir: PathBuf,
    path: PathBuf,
    delay: Duration,
    has_timestamps: bool,
    max_series: usize,
    families: BTreeMap<String, Family>,
    ids: HashSet<String>,
    has_too_many: bool,
    ages: [u64; AGES.len() + 1],
    age_sum: u64,
    good: u64,
    failed: u64,
    last_success: Option<Timestamp>,
}

#[derive(Debug)]
struct Family {
    help: String,
    /// For each set of labels: the newest complete bucket and the later buckets, each with its end
    /// and value.
    gauges: BTreeMap<String, BTreeMap<Timestamp, (Timestamp, String)>>,
    /// The samples with their times, for `--timestamps`.
    history: SpooledTempFile,
}

impl OpenMetrics {
    /// Starts without data; `None` without `--openmetrics`. Samples with times are stored in
    /// `temp_dir`.
    pub fn new(args: &OpenMetricsArgs, temp_dir: PathBuf) -> Option<OpenMetrics> {
        Some(OpenMetrics {
            path: args.openmetrics.clone()?,
            delay: args.openmetrics_delay,
            has_timestamps: args.timestamps,
            max_series: args.max_series,
            temp_dir,
            families: BTreeMap::new(),
            ids: HashSet::new(),
            has_too_many: false,
            ages: [0; AGES.len() + 1],
            age_sum: 0,
            good: 0,
            failed: 0,
            last_success: None,
        })
    }

    /// Adds the value of a bucket. Ignores a bucket with the value `null`, and series above the
    /// limit.
    pub fn observe(
        &mut self,
        question: &Question,
        seen: &Observation<'_>,
        from: Timestamp,
        as_of: Timestamp,
    ) -> anyhow::Result<()> {
        if seen.value == "null" {
            return Ok(());
        }
        if !self.ids.contains(seen.series) {
            if self.ids.len() >= self.max_series {
                self.has_too_many = true;
                return Ok(());
            }
            self.ids.insert(seen.series.to_owned());
        }
        let name = format!(
            "ocp_{}_{}_{}",
            question.source.word(),
            question.category.word(),
            name_of(seen.metric)
        );
        let labels = labels(question, seen)?;
        let family = self.families.entry(name.clone()).or_insert_with(|| Family {
            help: help(question, seen.metric),
            gauges: BTreeMap::new(),
            history: unnamed::spooled_in(&self.temp_dir, IN_MEMORY),
        });
        if self.has_timestamps {
            let seconds = from.millis() / 1000;
            writeln!(family.history, "{name}{labels} {} {seconds}", seen.value)?;
            return Ok(());
        }
        let buckets = family.gauges.entry(labels).or_default();
        let end = question.calendar.next(from);
        buckets.insert(from, (end, seen.value.to_owned()));
        if let Some((newest, _)) = newest_complete(buckets, as_of.minus(self.delay)) {
            *buckets = buckets.split_off(&newest);
        }
        Ok(())
    }

    /// Counts a change of a bucket; `age` is the time from the end of the bucket to the change.
    pub(crate) fn changed_after(&mut self, age: Duration) {
        let seconds = age.as_secs();
        let place = AGES.iter().position(|border| seconds <= *border);
        self.ages[place.unwrap_or(AGES.len())] += 1;
        self.age_sum += seconds;
    }

    /// Replaces the file of `--openmetrics`. Fails with status 69 if there are too many series.
    /// `now` is the time of the service's clock.
    pub fn publish(&mut self, is_good: bool, rows: u64, now: Timestamp) -> anyhow::Result<()> {
        self.check()?;
        self.count(is_good, now);
        let path = files::real(&self.path);
        let temp = files::temp_beside(&path)?;
        let mut writer = BufWriter::new(temp.as_file());
        self.write(&mut writer, is_good, rows, now)?;
        writer.flush()?;
        drop(writer);
        files::commit(temp, &path)
    }

    /// The text for stdout. Fails with status 69 if there are too many series.
    pub fn print(&mut self, is_good: bool, rows: u64, now: Timestamp) -> anyhow::Result<Vec<u8>> {
        self.check()?;
        self.count(is_good, now);
        let mut text = Vec::new();
        self.write(&mut text, is_good, rows, now)?;
        Ok(text)
    }

    /// Fails with status 69 if there are too many series.
    fn check(&self) -> anyhow::Result<()> {
        match self.has_too_many {
            true => Err(error::refused(format!(
                "--openmetrics: there are more than {} series: use fewer --by, or a higher --max-series",
                self.max_series
            ))),
            false => Ok(()),
        }
    }

    fn count(&mut self, is_good: bool, now: Timestamp) {
        match is_good {
            true => {
                self.good += 1;
                self.last_success = Some(now);
            }
            false => self.failed += 1,
        }
    }

    fn write(
        &mut self,
        output: &mut impl Write,
        is_good: bool,
        rows: u64,
        now: Timestamp,
    ) -> io::Result<()> {
        let has_timestamps = self.has_timestamps;
        for (name, family) in &mut self.families {
            write!(output, "{}", head_of(name, "gauge", &family.help))?;
            if has_timestamps {
                family.history.rewind()?;
                io::copy(&mut family.history, output)?;
                continue;
            }
            let ended = now.minus(self.delay);
            let newest = family.gauges.iter().filter_map(|(labels, buckets)| {
                let (from, value) = newest_complete(buckets, ended)?;
                Some((labels, from, value))
            });
            let newest: Vec<_> = newest.collect();
            for (labels, _, value) in &newest {
                writeln!(output, "{name}{labels} {value}")?;
            }
            writeln!(
                output,
                "# HELP {name}_start_time_seconds when the bucket of {name} begins\n# TYPE {name}_start_time_seconds gauge"
            )?;
            for (labels, from, _) in &newest {
                let seconds = from.millis() / 1000;
                writeln!(output, "{name}_start_time_seconds{labels} {seconds}")?;
            }
        }
        self.write_own(output, is_good, rows)?;
        writeln!(output, "# EOF")
    }

    fn write_own(&self, output: &mut impl Write, is_good: bool, rows: u64) -> io::Result<()> {
        if self.has_timestamps {
            return Ok(());
        }
        let own = self.own_label();
        let bare = braced(&[&own]);
        let name = "ocp_metrics_up";
        let head = head_of(name, "gauge", "1 if the last poll succeeded, else 0");
        writeln!(output, "{head}{name}{bare} {}", u8::from(is_good))?;
        if let Some(at) = self.last_success {
            let name = "ocp_metrics_last_success_timestamp_seconds";
            let head = head_of(name, "gauge", "time of the last successful poll");
            writeln!(output, "{head}{name}{bare} {}", at.millis() / 1000)?;
        }
        // node_exporter reads the older text format, in which the family of a counter has the same
        // name as the samples of the counter.
        let name = "ocp_metrics_polls_total";
        write!(
            output,
            "{}",
            head_of(name, "counter", "polls of this process by result")
        )?;
        for (result, count) in [("ok", self.good), ("failed", self.failed)] {
            let labels = braced(&[&own, &format!("result=\"{result}\"")]);
            writeln!(output, "{name}{labels} {count}")?;
        }
        let name = "ocp_metrics_rows_total";
        let head = head_of(name, "counter", "rows that this process has written");
        writeln!(output, "{head}{name}{bare} {rows}")?;
        let name = "ocp_metrics_changed_after_seconds";
        let help = "seconds from the end of a bucket to a change of its value";
        write!(output, "{}", head_of(name, "histogram", help))?;
        let mut total = 0;
        for (border, count) in AGES.iter().zip(&self.ages) {
            total += count;
            let labels = braced(&[&own, &format!("le=\"{border}.0\"")]);
            writeln!(output, "{name}_bucket{labels} {total}")?;
        }
        total += self.ages[AGES.len()];
        let labels = braced(&[&own, "le=\"+Inf\""]);
        writeln!(
            output,
            "{name}_bucket{labels} {total}\n{name}_sum{bare} {}\n{name}_count{bare} {total}",
            self.age_sum
        )
    }

    /// A label that distinguishes the files of several runs; empty for stdout. A collector reads
    /// all files as one text, in which a repeated sample is an error.
    fn own_label(&self) -> String {
        match self.path.file_name() {
            Some(name) if self.path.as_path() != Path::new("-") => {
                format!("file=\"{}\"", escape(&name.to_string_lossy()))
            }
            _ => String::new(),
        }
    }
}

/// The non-empty labels, in braces.
fn braced(labels: &[&str]) -> String {
    let labels: Vec<&str> = labels
        .iter()
        .copied()
        .filter(|label| !label.is_empty())
        .collect();
    match labels.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", labels.join(",")),
    }
}

/// The newest bucket that ended at `ended` or earlier, and its value.
fn newest_complete(
    buckets: &BTreeMap<Timestamp, (Timestamp, String)>,
    ended: Timestamp,
) -> Option<(Timestamp, &str)> {
    let mut newest = buckets.iter().rev();
    let (from, (_, value)) = newest.find(|(_, (end, _))| *end <= ended)?;
    Some((*from, value))
}

/// `text` as a name that Prometheus accepts.
fn name_of(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(safe).collect()
}

fn help(question: &Question, metric: &str) -> String {
    let endpoint = catalogue::endpoint(&question.api, question.source, question.category);
    let metrics = endpoint.map_or(&[][..], |endpoint| endpoint.metrics);
    let known = metrics.iter().find(|known| known.name == metric);
    known.map_or_else(|| escape(metric), |known| known.counts.to_owned())
}

fn labels(question: &Question, seen: &Observation<'_>) -> anyhow::Result<String> {
    let tags: Value = serde_json::from_str(seen.tags)?;
    let mut labels = BTreeMap::new();
    for (key, value) in tags.as_object().into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let key = name_of(key);
        let is_digit = key.starts_with(|first: char| first.is_ascii_digit());
        labels.insert(if is_digit { format!("_{key}") } else { key }, value);
    }
    labels.insert("group".to_owned(), question.group.clone());
    labels.insert("step".to_owned(), question.step.word().to_owned());
    for (key, value) in &question.filters {
        if let FilterValue::Flag(flag) = value {
            labels.insert(name_of(key), flag.to_string());
        }
    }
    let label = |(key, value): (&String, &String)| format!("{key}=\"{}\"", escape(value));
    let labels: Vec<String> = labels.iter().map(label).collect();
    Ok(format!("{{{}}}", labels.join(",")))
}
