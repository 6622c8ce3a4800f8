//! The picture: processor time per request against the number of connections.

use plotters::prelude::*;

use crate::{Spread, must};

/// One server's line.
pub(crate) struct Line {
    pub(crate) server: &'static str,
    /// Connections, and microseconds.
    pub(crate) points: Vec<(usize, Spread)>,
}

impl Line {
    pub(crate) const fn new(server: &'static str) -> Self {
        let points = Vec::new();
        Self { server, points }
    }
}

/// Colours that are told apart without red and green (Okabe and Ito), and by their marks anyway.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
    RGBColor(213, 94, 0),
];

/// Draws a panel for each title, with error bars, and says where.
pub(crate) fn draw(panels: &[(&str, Vec<Line>)]) -> String {
    // Which is not there where cargo builds elsewhere (CARGO_TARGET_DIR).
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    must(std::fs::create_dir_all(place));
    let path = format!("{place}/compare.svg");
    let area = SVGBackend::new(&path, (1100, 520)).into_drawing_area();
    must(area.fill(&WHITE));
    let points = |lines: &Vec<Line>| -> Vec<f64> {
        let points = lines.iter().flat_map(|line| &line.points);
        points.map(|(_, [_, _, high])| *high).collect()
    };
    let most = panels.iter().flat_map(|(_, lines)| points(lines));
    let most = most.fold(10.0, f64::max);
    for (panel, (title, lines)) in area.split_evenly((1, panels.len())).iter().zip(panels) {
        draw_panel(panel, title, lines, most);
    }
    must(area.present());
    drop(area);
    path
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    lines: &[Line],
    most: f64,
) {
    let counts = lines.iter().flat_map(|line| &line.points);
    let largest = counts.map(|(count, _)| *count).max().unwrap_or(1);
    let (across, up) = (1.0..largest as f64 * 1.2, 3.0..most * 1.2);
    let mut chart = must(
        ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(55)
            .build_cartesian_2d(across.log_scale(), up.log_scale()),
    );
    must(
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|count| format!("{count:.0}"))
            .y_label_formatter(&|time| format!("{time:.0}"))
            .x_desc("connections")
            .y_desc("µs of the server's processor time per request")
            .draw(),
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let points = line.points.iter();
        let medians = points.map(|(count, [median, ..])| (*count as f64, *median));
        let series = must(chart.draw_series(LineSeries::new(medians, colour.stroke_width(2))));
        series.label(line.server).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(3))
        });
        let bars = line.points.iter().map(|(count, [median, low, high])| {
            ErrorBar::new_vertical(*count as f64, *low, *median, *high, colour.filled(), 8)
        });
        must(chart.draw_series(bars));
    }
    let mut labels = chart.configure_series_labels();
    must(
        labels
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw(),
    );
}
