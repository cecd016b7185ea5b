"""Forms as data (``<form>.yaml`` beside this file), with the Word template of each and the script that drew it."""
