from keras import layers


def top(n):
    return layers.Dense(n)
