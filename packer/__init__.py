"""The build side: components -> frames -> payload -> into a host executable."""
