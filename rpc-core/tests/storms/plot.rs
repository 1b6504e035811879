//! The storms as a picture.

use std::fmt::Write;
use std::time::Duration;

use crate::{outage, swallow, tiers};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const COLORS: [&str; 4] = ["#c9c9c9", "#8aa5bd", "#c8553d", "#d9a441"];

pub(crate) fn svg(
    outage: &[outage::Run],
    tiers: &[tiers::Run],
    swallow: &[swallow::Run],
) -> String {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-8 0 776 530\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<style>.head{font-weight:bold} text{fill:#333} .axis{stroke:#999} \
         @media (prefers-color-scheme:dark){text{fill:#ddd}}</style>\n",
    );
    lines(&mut svg, 22.0, &outage[1..]);
    let bars_of_tiers = tiers.iter().map(|run| {
        let label = format!("{:.2} times", run.times);
        (run.name, run.times.ln() / 30_f64.ln(), label)
    });
    bars(
        &mut svg,
        310.0,
        "Three tiers of three attempts over a leaf that fails: its load (logarithmic)",
        bars_of_tiers,
    );
    let shown = |run: &swallow::Run| {
        let node = run.swallower();
        let others = run.others().filter_map(|node| node.median).max().unwrap_or_default();
        let label = match node.median {
            None => format!("no samples of {} attempts", node.attempts),
            Some(median) => format!("median {median:.1?}, others {others:.1?}"),
        };
        let share =
            node.median.unwrap_or_default().as_secs_f64() / Duration::from_millis(20).as_secs_f64();
        (share, label)
    };
    let bars_of_swallow = swallow.iter().map(|run| {
        let (share, label) = shown(run);
        (run.name, share, label)
    });
    bars(
        &mut svg,
        464.0,
        "One node of ten swallows calls: how it looks if attempts that lost to a hedge are",
        bars_of_swallow,
    );
    svg.push_str("</svg>\n");
    svg
}

fn lines(svg: &mut String, top: f64, runs: &[outage::Run]) {
    let (bottom, height) = (top + 240.0, 200.0);
    let x = |second: usize| 40.0 + (WIDTH - 60.0) * second as f64 / outage::SECONDS as f64;
    let y = |rise: f64| bottom - height * rise / 0.6;
    text(
        svg,
        "head",
        0.0,
        top,
        "start",
        "A third of the nodes fails for 40 s: what retries add to the load of the rest",
    );
    for percent in [0, 20, 40, 60] {
        let at = y(f64::from(percent) / 100.0);
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"40\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke-opacity=\"0.4\"/>",
            WIDTH - 20.0
        );
        text(svg, "", 34.0, at + 4.0, "end", &format!("{percent}%"));
    }
    for (index, run) in runs.iter().enumerate() {
        let color = COLORS[index + 1];
        let points: Vec<String> = (0..outage::SECONDS)
            .map(|second| format!("{:.1},{:.1}", x(second), y(run.rise(second))))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
        let at = 60.0 + 150.0 * index as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{at}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{color}\"/>",
            top + 12.0
        );
        text(svg, "", at + 18.0, top + 23.0, "start", run.name);
    }
    for second in (0..=outage::SECONDS).step_by(10) {
        text(svg, "", x(second), bottom + 18.0, "middle", &format!("{second} s"));
    }
}

fn bars<'a>(
    svg: &mut String,
    top: f64,
    head: &str,
    bars: impl Iterator<Item = (&'a str, f64, String)>,
) {
    text(svg, "head", 0.0, top, "start", head);
    for (index, (name, share, label)) in bars.enumerate() {
        let at = top + 12.0 + 22.0 * index as f64;
        let length = (WIDTH - LEFT - 210.0) * share.clamp(0.0, 1.0);
        text(svg, "", LEFT - 8.0, at + 15.0, "end", name);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{at}\" width=\"{length:.1}\" height=\"17\" fill=\"{}\"/>",
            COLORS[1]
        );
        text(svg, "", LEFT + length + 6.0, at + 15.0, "start", &label);
    }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(
        svg,
        "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}
