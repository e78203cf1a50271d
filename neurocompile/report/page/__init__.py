"""The page that people look at, made from report.json and samples.npz."""
