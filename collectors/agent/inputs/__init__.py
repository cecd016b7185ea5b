"""Ways of getting bytes: one file each. An input brings raw records to the intake and reads none of them."""
