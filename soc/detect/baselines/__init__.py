"""What concerns every flow: scans, beacons, volumes, names. Bounded counters, not signals of each flow.

``seen`` takes from an event what the detectors want. Each detector (``scan``, ``spread``, ``beacon``, ``volume``,
``names``, ``servers``, ``firsts``) is pure: ``observe`` gives findings, ``plain`` and ``restore`` its state. ``watch``
runs them over the stored events in the order of their arrival.
"""
