"""What parts implement and exchange. Import the modules; only ``parts`` needs MindSpore, the others need numpy at most."""
