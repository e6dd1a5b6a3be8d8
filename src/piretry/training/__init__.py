"""Making models: pretraining the mini scale's bases from nothing, and supervised fine-tuning."""
