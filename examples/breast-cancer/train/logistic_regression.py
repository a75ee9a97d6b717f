"""A scaled logistic regression."""

from common import arguments, fit_and_score
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

options = arguments(regularization=(float, 1.0))
model = make_pipeline(StandardScaler(), LogisticRegression(C=options.regularization, max_iter=1000))
fit_and_score(model, options.data)
