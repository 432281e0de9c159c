"""Judgement turned into words; nothing here knows pytest."""
