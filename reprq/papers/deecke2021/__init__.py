"""Transfer-based semantic anomaly detection (Deecke et al. 2021)."""
