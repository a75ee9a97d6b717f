"""A random forest."""

from common import arguments, fit_and_score
from sklearn.ensemble import RandomForestClassifier

options = arguments(trees=(int, 100), depth=(int, 8))
model = RandomForestClassifier(n_estimators=options.trees, max_depth=options.depth, random_state=7)
fit_and_score(model, options.data)
