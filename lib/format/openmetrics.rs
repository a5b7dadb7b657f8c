//! Writes metrics as text for Prometheus.

use std::fmt::Write;

/// The two lines before the samples of a metric family.
pub(crate) fn head_of(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// Escapes a text for the value of a label, which is in quotes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A text of metric families, in the order in which the caller adds them.
#[derive(Debug, Default)]
pub(crate) struct MetricsText(String);

impl MetricsText {
    /// Adds a metric family. Each sample is a pair: its labels, without braces, and its value.
    pub(crate) fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, String)>,
    ) {
        self.0.push_str(&head_of(name, kind, help));
        let suffix = if kind == "counter" { "_total" } else { "" };
        for (labels, value) in samples {
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{labels}}}"),
            };
            let _ = writeln!(self.0, "{name}{suffix}{labels} {value}");
        }
    }

    /// Adds a metric family with one sample without labels.
    pub(crate) fn one(&mut self, name: &str, kind: &str, help: &str, value: impl ToString) {
        self.family(name, kind, help, [(String::new(), value.to_string())]);
    }

    /// Adds a histogram. `borders` are the upper ends of its buckets, in seconds. `counts` are the
    /// numbers of values in the buckets; the last count is for the values above all borders. `sum`
    /// is the sum of all values.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        borders: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        self.0.push_str(&head_of(name, "histogram", help));
        let mut total = 0;
        for (at, count) in counts.iter().enumerate() {
            total += count;
            let border = borders.get(at).map(|border| format!("{border:?}"));
            let border = border.unwrap_or_else(|| "+Inf".to_owned());
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{border}\"}} {total}");
        }
        let _ = writeln!(self.0, "{name}_sum {sum}\n{name}_count {total}");
    }

    /// The text, with its last line `# EOF`.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_text() {
        let mut text = MetricsText::default();
        let label = format!("path=\"{}\"", escape("a\"b"));
        text.family("x", "counter", "how many", [(label, "3".to_owned())]);
        text.histogram("y", "how long", &[0.001, 1.0], &[1, 2, 3], 9.5);
        assert_eq!(
            text.finish(),
            "# HELP x how many\n# TYPE x counter\nx_total{path=\"a\\\"b\"} 3\n\
             # HELP y how long\n# TYPE y histogram\ny_bucket{le=\"0.001\"} 1\n\
             y_bucket{le=\"1.0\"} 3\ny_bucket{le=\"+Inf\"} 6\ny_sum 9.5\ny_count 6\n# EOF\n"
        );
    }
}
