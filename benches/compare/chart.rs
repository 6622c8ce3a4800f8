//! The picture: processor time per request against the number of idle connections.

use plotters::prelude::*;

use crate::{Spread, must};

/// One backend's line.
pub(crate) struct Line {
    pub(crate) backend: &'static str,
    /// Idle connections, and microseconds.
    pub(crate) points: Vec<(usize, Spread)>,
}

impl Line {
    pub(crate) const fn new(backend: &'static str) -> Self {
        let points = Vec::new();
        Self { backend, points }
    }
}

/// Colours that are told apart without red and green (Okabe and Ito), and by their marks anyway.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
];

/// Draws all lines, with error bars, and says where.
pub(crate) fn draw(lines: &[Line]) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/compare.svg");
    let all = || lines.iter().flat_map(|line| &line.points);
    let most = all().map(|(_, [_, _, high])| *high).fold(1.0, f64::max);
    let idle = all().map(|(idle, _)| *idle).max().unwrap_or(1);
    let area = SVGBackend::new(path, (900, 560)).into_drawing_area();
    must(area.fill(&WHITE));
    let caption = "Processor time per request, 8 connections asking beside idle ones";
    let mut chart = must(
        ChartBuilder::on(&area)
            .caption(caption, ("sans-serif", 20))
            .margin(20)
            .x_label_area_size(45)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (1.0..idle as f64 * 1.2)
                    .log_scale()
                    .with_key_points(vec![1.0, 10.0, 100.0, 1000.0]),
                (1.0..most * 1.2).log_scale(),
            ),
    );
    must(
        chart
            .configure_mesh()
            .x_label_formatter(&|idle| format!("{idle:.0}"))
            .y_label_formatter(&|time| format!("{time:.0}"))
            .x_desc("idle connections (none is drawn at 1)")
            .y_desc("µs of the server's processor time")
            .draw(),
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let at = |idle: usize| (idle as f64).max(1.0);
        let points = line
            .points
            .iter()
            .map(|(idle, [median, ..])| (at(*idle), *median));
        let series = must(chart.draw_series(LineSeries::new(points, colour.stroke_width(2))));
        series.label(line.backend).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(3))
        });
        let bars = line.points.iter().map(|(idle, [median, low, high])| {
            ErrorBar::new_vertical(at(*idle), *low, *median, *high, colour.filled(), 8)
        });
        must(chart.draw_series(bars));
    }
    let labels = chart.configure_series_labels();
    must(
        { labels }
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw(),
    );
    must(area.present());
    path.to_owned()
}
