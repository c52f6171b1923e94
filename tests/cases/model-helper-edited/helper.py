def width():
    return 4
