//! Replies of any size: thousands of series, made while they are sent.

use std::io::{self, Write};

use serde_json::json;

use super::calendar::Buckets;
use crate::sim::prng::Prng;
use crate::sim::reply::Reply;

/// `count` series of each metric.
pub fn reply(count: usize, metrics: Vec<String>, group: &str, buckets: &Buckets) -> Reply {
    let buckets = buckets.list().into_iter();
    let keys: Vec<String> = buckets
        .map(|bucket| format!("\"{}\":", bucket.key))
        .collect();
    let group = group.to_owned();
    Reply::stream(Box::new(move |output| {
        write!(output, "[")?;
        for (at, metric) in metrics.iter().enumerate() {
            for number in 0..count {
                if at + number > 0 {
                    write!(output, ",")?;
                }
                series(output, metric, &group, number, &keys)?;
            }
        }
        write!(output, "]")
    }))
}

fn series(
    output: &mut dyn Write,
    metric: &str,
    group: &str,
    number: usize,
    keys: &[String],
) -> io::Result<()> {
    let channel = ["chat", "omIVR"][number % 2];
    let flow = format!("acme_flow_{}", number / 2);
    let tags =
        json!({"channel": channel, "miniapp_name": flow, "language": "en-US", "group": group});
    write!(output, r#"{{"metric":"{metric}","tags":{tags},"dps":{{"#)?;
    let mut die = Prng::seeded(&[metric, &number.to_string()]);
    for (at, key) in keys.iter().enumerate() {
        output.write_all(if at == 0 { b"" } else { b"," })?;
        output.write_all(key.as_bytes())?;
        output.write_all(die.below(5000).to_string().as_bytes())?;
    }
    write!(output, "}}}}")
}
