"""The demo's scenes, one a feature; headroom/plays.py names them."""
