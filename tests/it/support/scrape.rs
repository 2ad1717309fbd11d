//! The text of metrics that Prometheus scrapes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, process::Served};

/// A scrape, parsed.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    /// The type of each metric.
    pub(crate) kinds: BTreeMap<String, String>,
    /// The value of each series, by its name with its labels, as in the text.
    series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Scrapes a server that was started with `--metrics-addr 127.0.0.1:0`.
    pub(crate) async fn of(served: &Served) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = Answer::to(http.get(served.said("Metrics on "))).await;
        assert_eq!(answer.status, 200);
        Self::parse(&answer.text)
    }

    fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                let again = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(again, None, "{name} has one type");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let again = scrape.series.insert(series.to_owned(), value.parse().unwrap());
                assert_eq!(again, None, "{series} has one value");
            }
        }
        scrape
    }

    /// Returns the sum of the series of a name whose labels contain all of these texts.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let matches = |series: &str| {
            let (found, pairs) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| pairs.contains(label))
        };
        let values = self.series.iter().filter(|(series, _)| matches(series));
        values.map(|(_, value)| *value).reduce(|a, b| a + b)
    }

    /// Returns the names of the labels of a metric, without that of the buckets.
    pub(crate) fn labels(&self, metric: &str) -> BTreeSet<String> {
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| format!("{metric}{part}{{"));
        let series = self.series.keys();
        let pairs =
            series.filter_map(|series| parts.iter().find_map(|part| series.strip_prefix(part.as_str())));
        let names = pairs
            .flat_map(|pairs| pairs.split("\","))
            .filter_map(|pair| pair.split_once('='));
        let names = names.map(|(name, _)| name.to_owned());
        names.filter(|name| name != "le").collect()
    }
}
