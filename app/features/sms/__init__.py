"""Text messages: reminders of events, and any other, to the user's own number (CONTRACT 8.3).

rules      what may be decided without asking anybody: when a reminder is sent, whether a message may go, what a status means
text       the words of a reminder, and what fits into one text message
planning   `schedule_daily_sms`: a day's events → one `send_sms` each
sending    `send_sms`: one copy, recorded before and after
callbacks  what the provider tells us afterwards: delivered, failed, STOP and START
wishes     what a user wants: /sms/scheduled
"""
