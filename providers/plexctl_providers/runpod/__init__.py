"""RunPod: one pod on REST v2. Nothing here uses v1, which its documentation retired on 2026-11-15."""
