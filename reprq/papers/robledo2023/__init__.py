"""Multi-task feature extractors under f-AnoGAN (Robledo Díaz 2023)."""
