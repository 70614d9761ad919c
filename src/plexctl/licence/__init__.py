"""May this token download these weights? Asked before anything costs.

`check` asks the Hub and returns a `Report`, whose findings say how it stands; `find_token` finds the token.
"""

from plexctl.licence.hub import CHECK_S, check
from plexctl.licence.report import Question, Report
from plexctl.licence.states import State
from plexctl.licence.tokens import Token, find_token
from plexctl.licence.waiting import Waiting, wait

__all__ = ["CHECK_S", "Question", "Report", "State", "Token", "Waiting", "check", "find_token", "wait"]
