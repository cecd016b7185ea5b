"""The door: who may send, what they sent, and the promise that an acknowledgement means stored."""
