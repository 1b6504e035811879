//! Two panels drawn by hand: goodput and 99th percentile against load.

use std::fmt::Write;

pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Load, goodput (both in capacities), 99th percentile in milliseconds.
    pub(crate) points: Vec<(f64, f64, f64)>,
}

/// Okabe and Ito's colours, which are told apart by everyone.
const COLOURS: [&str; 4] = ["#999999", "#e69f00", "#0072b2", "#009e73"];

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 230.0;
const TOP: f64 = 50.0;

struct Panel {
    left: f64,
    title: &'static str,
    /// Marks beside the axis: where between 0 (bottom) and 1 (top), and what is written there.
    marks: Vec<(f64, &'static str)>,
}

impl Panel {
    fn x(&self, load: f64) -> f64 {
        self.left + WIDTH * load / 5.0
    }

    fn y(share: f64) -> f64 {
        TOP + HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    }

    fn draw(&self, out: &mut String, curves: &[Curve], share: impl Fn(&(f64, f64, f64)) -> f64) {
        let (left, right, bottom) = (self.left, self.left + WIDTH, TOP + HEIGHT);
        line(out, &format!("<text x=\"{left}\" y=\"36\" class=\"title\">{}</text>", self.title));
        for (at, text) in &self.marks {
            let y = Self::y(*at);
            line(out, &format!("<path d=\"M{left} {y:.1}H{right}\" class=\"grid\"/>"));
            let (x, y) = (left - 6.0, y + 4.0);
            line(out, &format!("<text x=\"{x}\" y=\"{y:.1}\" class=\"end\">{text}</text>"));
        }
        for load in 0..=5 {
            let (x, y) = (self.x(f64::from(load)), bottom + 16.0);
            line(out, &format!("<text x=\"{x:.1}\" y=\"{y}\" class=\"mid\">{load}×</text>"));
        }
        for (curve, colour) in curves.iter().zip(COLOURS) {
            let points: Vec<String> = curve
                .points
                .iter()
                .map(|point| format!("{:.1},{:.1}", self.x(point.0), Self::y(share(point))))
                .collect();
            let points = points.join(" ");
            line(out, &format!("<polyline points=\"{points}\" stroke=\"{colour}\"/>"));
        }
    }
}

pub(crate) fn svg(curves: &[Curve]) -> String {
    let mut out = String::new();
    line(
        &mut out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 940 350\" \
         font-family=\"sans-serif\" font-size=\"12\">",
    );
    line(
        &mut out,
        "<style>polyline{fill:none;stroke-width:2.5}.grid{stroke:#ddd}.title{font-weight:bold}\
         .end{text-anchor:end}.mid{text-anchor:middle}text{fill:#333}</style>",
    );
    line(&mut out, "<rect width=\"940\" height=\"350\" fill=\"#fff\"/>");
    let percents = vec![(0.0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %")];
    Panel { left: 50.0, title: "Answers in time, of capacity", marks: percents }.draw(
        &mut out,
        curves,
        |point| point.1,
    );
    // From 10 ms to 10 s, a factor of ten for each third of the way.
    let decades = vec![(0.0, "10 ms"), (1.0 / 3.0, "100 ms"), (2.0 / 3.0, "1 s"), (1.0, "10 s")];
    Panel { left: 520.0, title: "99th percentile of calls let in", marks: decades }.draw(
        &mut out,
        curves,
        |point| (point.2 / 10.0).log10() / 3.0,
    );
    line(&mut out, "<text x=\"470\" y=\"314\" class=\"mid\">load, of capacity</text>");
    for (index, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let x = 250 + 120 * index;
        line(
            &mut out,
            &format!("<path d=\"M{x} 332h24\" stroke=\"{colour}\" stroke-width=\"2.5\"/>"),
        );
        line(&mut out, &format!("<text x=\"{}\" y=\"336\">{}</text>", x + 30, curve.name));
    }
    line(&mut out, "</svg>");
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take everything");
}
