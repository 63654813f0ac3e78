"""What every stage needs: errors for people, the command line, metrics, provenance."""
