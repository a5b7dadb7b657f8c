//! The form in which a kept record is printed: unchanged, with times added, or only some of its
//! fields. Values keep their bytes.

use std::borrow::Cow;

use clap::{Args, ValueEnum};

use crate::error;
use crate::format::csv::RowWriter;
use crate::json::fields::{Fields, Record, Slot};
use crate::json::selected::{self, SelectedField, check_names, key};
use crate::time::zone::Zone;

mod iso;

use iso::Iso;

/// The flags that set how a record is printed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output records")]
pub struct ProjectionArgs {
    /// Print only these fields, in order, for example `id,time,flow=flow.type`. Fields are paths
    /// such as `kvps[0].value`, separated by commas. NAME=PATH renames a field. Values keep their
    /// bytes; a missing field is null. --select cannot compute a field: pipe the records to jq or
    /// DuckDB for that. May be repeated.
    #[arg(long, value_name = "FIELDS")]
    pub select: Vec<String>,

    /// The format of selected fields: JSON objects, csv or tsv. csv follows RFC 4180 with LF line
    /// ends. csv and tsv have a header. Their cells hold strings without JSON's quotes and escapes,
    /// nothing for null, and JSON for arrays and objects.
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    pub format: ProjectionFormat,

    /// Add FIELD_iso, the time in FIELD as RFC 3339 in UTC. FIELD_iso is the last field of the
    /// record, and null if FIELD holds no time; the other fields do not change. A record that
    /// already has a FIELD_iso keeps it. FIELD may hold milliseconds since 1970, as a number or a
    /// string, or RFC 3339. With --add-iso time, `--select id,day=time_iso` chooses the place and
    /// the name of the added field. May be repeated.
    #[arg(long, value_name = "FIELD")]
    pub add_iso: Vec<String>,

    /// With --format csv: write a table that spreadsheets open directly. The table has a byte order
    /// mark and CRLF line ends. The times of --add-iso are in the zone of --tz, without a fraction,
    /// for example 2026-11-01 09:30:00. Other cells do not change: a spreadsheet may read `=…` as a
    /// formula and `+1555…` as a number.
    #[arg(long)]
    pub excel: bool,

    /// The time zone of the times of --excel, and of yesterday and today in --from and --to: UTC,
    /// +02:00 or a name such as Europe/Athens. [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<Zone>,

    /// Print the number of kept records instead of the records.
    #[arg(long, conflicts_with_all = ["select", "format", "add_iso", "excel"])]
    pub count: bool,
}

/// The format of selected fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProjectionFormat {
    /// One JSON object a line.
    #[default]
    Ndjson,
    /// Fields separated by commas, quoted where needed.
    Csv,
    /// Fields separated by tabs, quoted where needed.
    Tsv,
}

/// The output format of kept records.
#[derive(Debug)]
pub enum Projection {
    /// The unchanged record.
    Whole,
    /// The record with times added.
    Extended(Vec<Iso>),
    /// Some fields as a JSON object.
    Object(Vec<ProjectedField>),
    /// Some fields as a row of a table.
    Row(Vec<ProjectedField>, Box<RowWriter>),
    /// No records, only their number.
    Nothing,
}

/// A field of the output.
#[derive(Debug)]
pub struct ProjectedField {
    name: String,
    /// The name as it is written to the output: `"name":`.
    key: String,
    /// The path as the user typed it; empty for a time that only --add-iso adds.
    path: String,
    value: FieldSource,
}

#[derive(Debug)]
enum FieldSource {
    Field(Slot),
    /// The time in a field, as text.
    Iso(Iso),
}

impl Projection {
    /// The output format that the flags ask for. The fields that this format needs are added to
    /// `fields`. An error with status 2 if a flag is invalid, or if the flags contradict each
    /// other.
    pub fn new(args: &ProjectionArgs, fields: &mut Fields) -> anyhow::Result<Projection> {
        if args.count {
            return Ok(Projection::Nothing);
        }
        if args.excel && args.format != ProjectionFormat::Csv {
            return Err(error::usage("--excel: add --format csv"));
        }
        let zone = args.excel.then(|| args.tz.unwrap_or(Zone::UTC));
        let isos = args.add_iso.iter().map(|path| Iso::new(path, zone, fields));
        let mut isos = isos.collect::<anyhow::Result<Vec<_>>>()?;
        let selected = SelectedField::all(&args.select, fields).map_err(error::usage)?;
        let columns = selected
            .into_iter()
            .map(|field| ProjectedField::selected(field, &mut isos));
        let mut columns: Vec<_> = columns.collect();
        let separator = match args.format {
            ProjectionFormat::Ndjson if columns.is_empty() && isos.is_empty() => {
                return Ok(Projection::Whole);
            }
            ProjectionFormat::Ndjson if columns.is_empty() => {
                return Ok(Projection::Extended(isos));
            }
            ProjectionFormat::Csv | ProjectionFormat::Tsv if columns.is_empty() => {
                let text = "--format: a table needs columns: --select id,time,…";
                return Err(error::usage(text));
            }
            ProjectionFormat::Ndjson => None,
            ProjectionFormat::Csv => Some(b','),
            ProjectionFormat::Tsv => Some(b'\t'),
        };
        columns.extend(isos.into_iter().map(ProjectedField::iso));
        check_names(columns.iter().map(|column| column.name.as_str())).map_err(error::usage)?;
        Ok(match separator {
            None => Projection::Object(columns),
            Some(_) if args.excel => Projection::Row(columns, RowWriter::excel().into()),
            Some(separator) => Projection::Row(columns, RowWriter::new(separator).into()),
        })
    }

    /// The selected fields as the user typed them, with their slots.
    pub(super) fn watched(&self) -> Vec<(String, Slot)> {
        let (Projection::Object(columns) | Projection::Row(columns, _)) = self else {
            return Vec::new();
        };
        let slot = |column: &ProjectedField| match column.value {
            FieldSource::Field(slot) => Some((column.path.clone(), slot)),
            FieldSource::Iso(_) => None,
        };
        columns.iter().filter_map(slot).collect()
    }

    /// The header of a table; empty for other formats.
    pub fn header(&mut self) -> Vec<u8> {
        let mut header = Vec::new();
        if let Projection::Row(columns, rows) = self {
            rows.header(columns.iter().map(|column| &column.name), &mut header);
        }
        header
    }

    /// Appends a record to the output. `whole` is the record as it was read, with its line end, if
    /// it has one.
    pub fn write(&mut self, record: &Record<'_, '_>, whole: &[u8], out: &mut Vec<u8>) {
        match self {
            Projection::Nothing => return,
            Projection::Whole => out.extend_from_slice(whole),
            Projection::Extended(isos) => extend(record, isos, whole, out),
            Projection::Object(columns) => {
                out.push(b'{');
                for (at, column) in columns.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(column.key.as_bytes());
                    out.extend_from_slice(column.value.json(record).as_bytes());
                }
                out.push(b'}');
            }
            Projection::Row(columns, rows) => {
                let cells = columns.iter().map(|column| column.value.cell(record));
                return rows.write(cells, out);
            }
        }
        if out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }
}

/// Adds times after the last field of an object.
fn extend(record: &Record<'_, '_>, isos: &[Iso], whole: &[u8], out: &mut Vec<u8>) {
    // The last brace of the line closes the record.
    let end = memchr::memrchr(b'}', whole).unwrap_or(whole.len());
    let (object, rest) = whole.split_at(end);
    out.extend_from_slice(object);
    let mut is_empty = object.trim_ascii_end().ends_with(b"{");
    for iso in isos.iter().filter(|iso| record.get(iso.own).is_none()) {
        if !std::mem::take(&mut is_empty) {
            out.push(b',');
        }
        out.extend_from_slice(key(&iso.name).as_bytes());
        out.extend_from_slice(iso.json(record).as_bytes());
    }
    out.extend_from_slice(rest);
}

impl ProjectedField {
    /// Makes an output field for a field of --select. If the path of the field names one of `isos`,
    /// this time is taken out of `isos` and becomes the value. Otherwise the value is a field of
    /// the record.
    fn selected(field: SelectedField, isos: &mut Vec<Iso>) -> ProjectedField {
        let plain = field.path.trim_start_matches('.');
        let value = match isos.iter().position(|iso| iso.name == plain) {
            Some(at) => FieldSource::Iso(isos.remove(at)),
            None => FieldSource::Field(field.slot),
        };
        ProjectedField {
            key: key(&field.name),
            name: field.name,
            path: field.path,
            value,
        }
    }

    fn iso(iso: Iso) -> ProjectedField {
        ProjectedField {
            name: iso.name.clone(),
            key: key(&iso.name),
            path: String::new(),
            value: FieldSource::Iso(iso),
        }
    }
}

impl FieldSource {
    fn json<'l>(&self, record: &Record<'l, '_>) -> Cow<'l, str> {
        match self {
            FieldSource::Field(slot) => Cow::Borrowed(selected::json(record, *slot)),
            FieldSource::Iso(iso) => iso.json(record),
        }
    }

    /// The value as a table cell.
    fn cell<'l>(&self, record: &Record<'l, '_>) -> Cow<'l, str> {
        match self.json(record) {
            Cow::Borrowed(json) => selected::cell(json),
            Cow::Owned(json) => Cow::Owned(selected::cell(&json).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::fields::Finds;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        projection: ProjectionArgs,
    }

    fn compile(flags: &[&str]) -> anyhow::Result<(Fields, Projection)> {
        let line = Line::try_parse_from([&["test"], flags].concat())?;
        let mut fields = Fields::default();
        let projection = Projection::new(&line.projection, &mut fields)?;
        Ok((fields, projection))
    }

    fn projected(flags: &[&str], line: &str) -> String {
        let (fields, mut projection) = compile(flags).unwrap();
        let mut finds = Finds::default();
        let record = fields.read(line.trim_end(), &mut finds).unwrap();
        let mut out = projection.header();
        projection.write(&record, line.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    const LINE: &str = "{ \"id\" : 12.10,\"t\":\"a\\u0062,\\\"\",\"flow\":{ \"type\": [1, null] },\"n\":null,\"time\":1793491200123 }\r\n";

    #[test]
    fn selected_fields_keep_their_bytes_and_their_order() {
        assert_eq!(
            projected(
                &[
                    "--select",
                    "t,id,kind=flow.type,.flow,n,none.x,flow.type[0]"
                ],
                LINE
            ),
            "{\"t\":\"a\\u0062,\\\"\",\"id\":12.10,\"kind\":[1, null],\"flow\":{ \"type\": [1, null] },\"n\":null,\"none.x\":null,\"flow.type[0]\":1}\n"
        );
    }

    #[test]
    fn a_table_has_a_header_and_texts_without_quotes() {
        assert_eq!(
            projected(
                &[
                    "--select", "t,id", "--select", "n,f=flow", "--format", "csv"
                ],
                LINE
            ),
            "t,id,n,f\n\"ab,\"\"\",12.10,,\"{ \"\"type\"\": [1, null] }\"\n"
        );
        assert_eq!(
            projected(
                &["--select", "id,t", "--add-iso", "time", "--format", "tsv"],
                LINE
            ),
            "id\tt\ttime_iso\n12.10\t\"ab,\"\"\"\t2026-11-01T00:00:00.123Z\n"
        );
    }

    #[test]
    fn a_time_is_added_and_the_rest_stays() {
        assert_eq!(
            projected(&["--add-iso", "time", "--add-iso", "flow.at"], LINE),
            LINE.replace(
                " }\r",
                " ,\"time_iso\":\"2026-11-01T00:00:00.123Z\",\"flow.at_iso\":null}\r"
            )
        );
        assert_eq!(
            projected(&["--add-iso", "time"], "{ }"),
            "{ \"time_iso\":null}\n"
        );
        let own = "{\"time\":1,\"time_iso\":7}\n";
        assert_eq!(projected(&["--add-iso", "time"], own), own);
        assert_eq!(
            projected(&["--select", "time", "--add-iso", "time"], own),
            own
        );
    }

    #[test]
    fn an_added_time_can_be_placed_and_renamed() {
        let flags = ["--select", "day=time_iso,n", "--add-iso", "time"];
        assert_eq!(
            projected(&flags, LINE),
            "{\"day\":\"2026-11-01T00:00:00.123Z\",\"n\":null}\n"
        );
        let flags = ["--select", ".time_iso,n", "--add-iso", "time"];
        let own = "{\"time\":1,\"time_iso\":7}\n";
        assert_eq!(projected(&flags, own), "{\"time_iso\":7,\"n\":null}\n");
    }

    #[test]
    fn a_spreadsheet_gets_a_mark_and_local_times() {
        let excel = |more: &[&str], line: &str| {
            let flags = [
                "--select",
                "n,day=time_iso",
                "--add-iso",
                "time",
                "--format",
            ];
            projected(&[&flags[..], &["csv", "--excel"], more].concat(), line)
        };
        let table = |cells: &str| format!("\u{feff}n,day\r\n{cells}\r\n");
        assert_eq!(excel(&[], LINE), table(",2026-11-01 00:00:00"));
        // In New York, the clocks go back six hours after this time, so it is still summer time.
        let new_york = ["--tz", "America/New_York"];
        assert_eq!(excel(&new_york, LINE), table(",2026-10-31 20:00:00"));
        let odd = "{\"n\":\"a\\nb\",\"time\":9223372036854775807}\n";
        assert_eq!(excel(&new_york, odd), table("\"a\nb\","));
        let own = "{\"n\":1,\"time\":1,\"time_iso\":\"2026-11-01T00:00:00Z\"}";
        assert_eq!(
            excel(&["--tz", "+01:00"], own),
            table("1,2026-11-01 01:00:00")
        );
        let unknown = "{\"n\":1,\"time\":\"soon\"}";
        assert_eq!(excel(&[], unknown), table("1,"));
    }

    #[test]
    fn names_may_be_odd() {
        let line = r#"{"a,b":1,"a.b":2,"c=d":3}"#;
        assert_eq!(
            projected(&["--select", r#"."a,b",x=."a.b",."c=d""#], line),
            "{\"a,b\":1,\"x\":2,\"c=d\":3}\n"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for flags in [
            &["--format", "csv"][..],
            &["--select", "a,a"],
            &["--select", "a,"],
            &["--select", "a,.b | .c"],
            &["--select", "time_iso,time_iso", "--add-iso", "time"],
            &["--select", "a", "--format", "tsv", "--excel"],
            &["--select", "a", "--excel"],
            &["--add-iso", ""],
            &["--count", "--select", "a"],
        ] {
            assert!(compile(flags).is_err(), "{flags:?}");
        }
        assert!(matches!(
            compile(&["--count"]).unwrap().1,
            Projection::Nothing
        ));
    }
}
