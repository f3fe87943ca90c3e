"""Mail: from what is to be said to a message that left, once, and what its reader did with it (CONTRACT 8.2).

rules      what may be decided without asking anybody: which links are wrapped, which failures are worth another try
render     Markdown and foreign HTML → a safe HTML part; plain → the text part; template → the page around it
sending    one try to send, recorded before and after, so that no retry sends what is known to have gone
service    the three job types; inbox → mails handed to us over the webhook; tracking → opens and clicks
"""
