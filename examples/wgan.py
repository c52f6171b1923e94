"""Draw digits: two models that train against each other in a `train_step` of their own, which raysq refuses."""

import keras
import tensorflow as tf
from keras import layers
from shared import by_epoch, digits, main

import raysq

NOISE = 16


def data():
    """Return pictures of digits."""
    return digits(1024)[0].reshape(1024, 196)


class WGAN(keras.Model):
    """A generator, and a critic that tells its pictures from real ones."""

    def __init__(self):
        super().__init__()
        self.critic = keras.Sequential([keras.Input((196,)), layers.Dense(64, activation="relu"), layers.Dense(1)])
        self.generator = keras.Sequential(
            [keras.Input((NOISE,)), layers.Dense(64, activation="relu"), layers.Dense(196, activation="sigmoid")]
        )
        self.critic_optimizer, self.generator_optimizer = keras.optimizers.RMSprop(5e-4), keras.optimizers.RMSprop(5e-4)

    def train_step(self, pictures):
        """Improve the critic, clip its weights, and improve the generator."""
        noise = keras.random.normal((tf.shape(pictures)[0], NOISE))
        with tf.GradientTape() as tape:
            apart = tf.reduce_mean(self.critic(self.generator(noise))) - tf.reduce_mean(self.critic(pictures))
        weights = self.critic.trainable_variables
        self.critic_optimizer.apply(tape.gradient(apart, weights), weights)
        for weight in weights:
            weight.assign(tf.clip_by_value(weight, -0.05, 0.05))
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.critic(self.generator(noise)))
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(loss, weights), weights)
        return {"distance": -apart, "loss": loss}


def build(inputs=None):
    """Build and compile both models."""
    model = WGAN()
    model.compile()
    return model


def fit():
    x = data()
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x, batch_size=32, epochs=3)
    # end
    return model.history.history


def on_raysq(workers):
    x = data()
    # by raysq
    raysq.prepare("arrays", source={"picture": x, "copy": x}, settings={"target": "copy"})
    run = raysq.train("arrays", model=build, settings={"batch_size": 32, "epochs": 3}, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    raysq.plain_errors()
    main(fit, on_raysq)
