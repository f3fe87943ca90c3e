"""Notifications: one job tells one user one thing on one channel (CONTRACT 8.4).

rules        what may be decided without asking anybody: words, preferences, do-not-disturb, what the outcomes of pushes add up to
service      the job: in-app, email and SMS in one transaction; push, each subscription recorded before and after (pushing)
preferences  brief, SMS and notification preferences as one object; inbox → what the user sees; browsers → their subscriptions
"""
